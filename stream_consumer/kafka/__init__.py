"""Kafka: how a cluster is reached, and predictions written to a topic."""
