"""Small inputs that once failed, replayed against a started gateway.

They lie outside the project, in the folder that CASES names (`../shared/cases` unless set); without it there is nothing to do. A case is one
JSON file with the gateway's configuration, one request or several steps, what scripted upstreams answer, and checks of what came out; its
`reading` says what each means. `make cases` prints `id pass` or `id fail` for each, `make cases ARGS="3 17"` for some.
"""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("CASES") or Path(__file__).resolve().parents[2].parent / "shared" / "cases")
ABSENT = "no cases: the folder that CASES names (../shared/cases unless set) is not there"


def files() -> list[Path]:
    """The cases in order; none where the folder is absent."""
    return sorted(FOLDER.glob("*.json"))
