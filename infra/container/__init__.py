"""Building the image and holding it to its budget: ``python -m infra.container --help``."""
