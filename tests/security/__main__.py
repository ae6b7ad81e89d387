"""`python -m tests.security [ID …]` attacks a gateway of its own on 127.0.0.1 and measures what the others notice, like `tests.faults`.

Of the rows of `tests.faults` it measures B10 too: what a provider sends may be an attack as well.
"""

import sys

from tests.faults import upstream  # noqa: F401 - it declares B10, among others
from tests.faults.scorecard import measure
from tests.security import atrest, bombs, callers, fuzzing, isolation, keys, secrets, strangers, transport  # noqa: F401 - they declare the rows

if __name__ == "__main__":
    sys.exit(measure(sys.argv[1:], among=("G", "B10")))
