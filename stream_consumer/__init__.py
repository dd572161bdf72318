"""A Kinesis consumer on AWS Lambda: ride events in, predictions out, every event a prediction or a dead letter."""
