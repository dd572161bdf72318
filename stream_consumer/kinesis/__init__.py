"""Kinesis streams: read shards and put records."""
