"""
The command line, one module a group of commands.

The rule: a command parses, calls one package and shows what came of it. What is heavy to import is imported
by the command that needs it, so that ``--help`` answers at once.
"""
