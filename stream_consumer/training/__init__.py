"""Fit, evaluate, log and register the model with MLflow. Never imported by the Lambda image."""
