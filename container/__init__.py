"""Building the image and holding it to its budget: ``python -m container --help``."""
