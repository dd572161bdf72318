"""Terraform for the whole system, and the commands that release and check it."""
