"""The program that clears up behind a gateway that was killed. It is no part of the gateway's process.

    python -I watcher_child.py TEMPORARY

Standard input says what there is, a line each: "+ PID FOLDER" for a folder and the process that leads a group in it (0: not yet), "- FOLDER" for
one that is gone; its end is the gateway's. What is left then is ended, with all that it started, and its folder removed. At its own start
it removes what is left in TEMPORARY of gateways that were killed together with their watchers.
"""

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

PREFIX = "llm-gateway-"
NEW = 60.0
"""Seconds in which a folder may not be locked yet by its gateway."""
TRIES = 50
"""Times 0.1 s for processes that end, and write until they have."""


def main(temporary: str) -> None:
    for folder in forgotten(temporary):
        shutil.rmtree(folder, ignore_errors=True)
    left: dict[str, int] = {}
    for line in sys.stdin:
        sign, _, rest = line.rstrip("\n").partition(" ")
        if sign == "+":
            pid, _, folder = rest.partition(" ")
            left[folder] = int(pid)
        else:
            left.pop(rest, None)
    for _ in range(TRIES):
        for folder, group in left.items():
            for one in {group, *_groups_in(folder)} - {0}:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(one, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)
        left = {folder: 0 for folder in left if os.path.exists(folder)}
        if not left:
            break
        time.sleep(0.1)


def _groups_in(folder: str) -> Iterator[int]:
    """Process groups at work in a folder, for one may have been started that nobody could report any more. None where there is no /proc."""
    with suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit():
                with suppress(OSError):
                    place = os.readlink(f"/proc/{name}/cwd").removesuffix(" (deleted)")
                    if place == folder or place.startswith(f"{folder}/"):
                        yield os.getpgid(int(name))


def forgotten(temporary: str) -> Iterator[str]:
    """Our folders that no gateway has locked. A lock lasts as long as its gateway, whatever its pid and container."""
    with suppress(OSError), os.scandir(temporary) as found:
        for entry in found:
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_uid != os.getuid() or time.time() - status.st_mtime < NEW:
                        continue
                    folder = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                    try:
                        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        yield entry.path
                    finally:
                        os.close(folder)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the gateway's to handle
    main(sys.argv[1])
