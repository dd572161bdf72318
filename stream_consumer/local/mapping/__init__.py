"""A local event source mapping for Kinesis that follows AWS's rules."""
