"""
``python -m tests.zoo`` puts the whole zoo through all interfaces, prints the table, and fails if a verdict is wrong.

Further arguments go to pytest: ``python -m tests.zoo -k columns``.
"""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(["tests/zoo", "-m", "", "-q", "-n", "auto", "-p", "tests.zoo.table", *sys.argv[1:]]))
