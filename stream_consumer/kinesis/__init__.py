"""Kinesis streams: shards are read and records are put."""
