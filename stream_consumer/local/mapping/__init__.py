"""An event source mapping for Kinesis on this machine, by AWS's rules."""
