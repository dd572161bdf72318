"""The web door: ride events over HTTP, decided by the same core."""
