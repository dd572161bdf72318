"""
Profiles: how often the values of each column, and of the prediction, fell into fixed bins.

The rule: a profile holds counts and no row. Profiles of the same bins add up, whatever the batches were.
"""
