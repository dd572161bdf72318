"""MLflow model directories become loaded models."""
