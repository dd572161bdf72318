"""
Monitoring: whether what a model is given and what it predicts is still what it was trained on.

The rule: nothing here decides what is published. The consumer does not depend on it.
"""
