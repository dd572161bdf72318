"""The wire formats: each one is read and written here, and nowhere else."""
