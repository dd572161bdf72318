"""
Batch scoring: whole files, objects and query results through the same decision as the stream.

The rule: a door decides nothing. What is valid, what is predicted and why a row is refused come from ``EventSchema``,
``Scorer`` and ``Decider``; here rows are read, handed over in chunks, and what came of them is written aside and
committed last.
"""
