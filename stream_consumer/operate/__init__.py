"""Operator tools for a deployed consumer: dead letters, redrive, replay, comparison, capacity."""
