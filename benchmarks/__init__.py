"""What the path from Lambda's event to the acknowledged output costs, beside three other ways to build it."""
