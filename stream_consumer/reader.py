"""Reading predictions downstream."""
