"""What holds for every test."""

import os

from hypothesis import settings

# The same examples in every run of CI; no time limit for one, since another job on the machine would break it.
settings.register_profile("repository", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("repository")
