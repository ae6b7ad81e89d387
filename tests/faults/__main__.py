"""`python -m tests.faults [ID …]` measures the rows, one JSON line each, into `build/scorecard.json`. Exits 1 when a row fails.

FAULTS_OUTAGE: seconds of the long outage (60).
"""

import sys

from tests.faults import bumpy, cancellation, delivery, lifecycle, policy, store, upstream  # noqa: F401 - they declare the rows
from tests.faults.scorecard import measure

if __name__ == "__main__":
    sys.exit(measure(sys.argv[1:]))
