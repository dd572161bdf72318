"""Tests of the challenger."""
