"""What a deployment needs, looked at before it: ``make preflight ENV=dev``."""
