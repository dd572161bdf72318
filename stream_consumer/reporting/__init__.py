"""
What monitoring has found, for a reader: a page of some days, and the state of now.

The rule: nothing is judged here. Profiles and results say what they say.
"""
