"""Checks of a deployment's needs before it: ``make preflight ENV=dev``."""
