"""``python -m stream_consumer``."""
