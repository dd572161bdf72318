"""The smoke test of a deployment: each part answers an event of its own model, end to end."""
