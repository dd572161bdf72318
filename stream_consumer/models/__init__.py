"""Load MLflow model directories."""
