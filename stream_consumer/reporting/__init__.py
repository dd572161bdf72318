"""
The findings of monitoring for a reader: a page about some days, and the current state.

The rule: this package makes no judgements of its own. It shows profiles and results.
"""
