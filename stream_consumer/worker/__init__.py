"""The queue's worker: a message with the name of a file becomes a batch run."""
