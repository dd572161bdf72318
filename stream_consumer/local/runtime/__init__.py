"""Lambda's runtime on this machine: execution environments and their processes."""
