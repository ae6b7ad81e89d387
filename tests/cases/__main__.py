"""`python -m tests.cases [NUMBER…]` replays the cases, or those of these numbers: `id pass`, or `id fail` and the checks that do not hold."""

import asyncio
import json
import sys

from tests.cases import ABSENT, FOLDER, files
from tests.cases.replay import replay


def chosen(name: str, wanted: list[str]) -> bool:
    number = name.partition("-")[0]
    return not wanted or any(name.startswith(each) or number.lstrip("0") == each.lstrip("0") for each in wanted)


def main(wanted: list[str]) -> int:
    if not FOLDER.is_dir():
        print(ABSENT)
        return 0
    failed = 0
    for path in files():
        if chosen(path.stem, wanted):
            wrong = asyncio.run(replay(json.loads(path.read_text())))
            print(path.stem, "fail" if wrong else "pass", flush=True)
            for check in wrong:
                print("   ", check)
            failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
