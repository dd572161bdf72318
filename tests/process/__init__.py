"""Faults of real processes: runtime workers that are killed, starved, frozen and started twice, on a real endpoint."""
