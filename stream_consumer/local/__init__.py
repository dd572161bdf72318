"""The local platform: what AWS does around the function, on one machine, for developing, testing and demonstrating."""
