"""
Batch scoring: whole files, objects and query results, with the same verdicts as on the stream.

The rule: this package decides nothing about a row. Validity, predictions and reasons of rejection come from
``EventSchema``, ``Scorer`` and ``Decider``. Batch code reads rows, passes them on in chunks, writes the outcomes to
scratch and commits them last.
"""
