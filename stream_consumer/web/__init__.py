"""The web service: ride events over HTTP, with the same verdicts as on the stream."""
