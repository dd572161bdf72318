"""
Quality: how far predictions are from what came true, a day at a time, from the archives of both streams.

The rule: nothing is joined as it streams. A day is judged once its outcomes are there, so the errors of a day do not
depend on when they are asked for.
"""
