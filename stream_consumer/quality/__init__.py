"""
Quality: the errors of a day's predictions against their outcomes, from the archives of both streams.

The rule: the join is not a streaming job. A day is judged once its outcomes are there, so its errors do not depend on
the time of the judgement.
"""
