"""The program that clears up behind a gateway that was killed. It is no part of the gateway's process.

    python -I claude_code_watcher.py

Standard input says what there is, a line each: "+ PID FOLDER" for a process that leads a group, "- PID" for one that is gone; its end is the
gateway's. What is left then is ended, with all that it started, and its folder removed.
"""

import os
import shutil
import signal
import sys
from contextlib import suppress


def main() -> None:
    left: dict[int, str] = {}
    for line in sys.stdin:
        sign, pid, *folder = line.rstrip("\n").split(" ", 2)
        if sign == "+":
            left[int(pid)] = folder[0]
        else:
            left.pop(int(pid), None)
    for group, folder in left.items():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the gateway's to handle
    main()
