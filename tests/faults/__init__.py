"""The delivery promise under faults: schedules, a simulated mapping, what must hold, and the commands that prove it."""
