"""A local event source mapping for Kinesis by AWS's rules."""
