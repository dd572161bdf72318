"""AWS clients and calls: making clients, retrying calls, and limiting their time."""
