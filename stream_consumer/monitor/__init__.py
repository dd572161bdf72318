"""
Monitoring: comparing a model's inputs and predictions with its training data.

The rule: monitoring never affects published predictions, and the consumer does not depend on this package.
"""
