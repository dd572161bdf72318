"""The smoke test of a deployment: each part of it answers an event of its own model, end to end."""
