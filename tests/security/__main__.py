"""`python -m tests.security [ID …]` attacks a gateway of its own on 127.0.0.1 and measures what the others notice, like `tests.faults`."""

import sys

from tests.faults.scorecard import measure
from tests.security import fuzzing, strangers  # noqa: F401 - they declare the rows

if __name__ == "__main__":
    sys.exit(measure(sys.argv[1:]))
