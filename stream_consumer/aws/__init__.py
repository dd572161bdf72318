"""AWS clients and calls: how they are made, retried and bounded in time."""
