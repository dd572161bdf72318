"""Fit, evaluate, log and register the model with MLflow. The Lambda image never imports this package."""
