"""The local platform: the parts of AWS around the function, on one machine, for development, tests and demos."""
