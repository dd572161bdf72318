"""A long-running member of a Kafka consumer group: the same consumer as the function's, without Lambda."""
