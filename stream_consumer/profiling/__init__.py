"""
Profiles: counts of values in fixed bins, for each column and for the prediction.

The rule: a profile holds counts and no rows. Profiles of the same bins can be added, however the rows were batched.
"""
