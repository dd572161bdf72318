"""The queue's worker: a message that names a file becomes a batch run."""
