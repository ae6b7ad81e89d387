"""The processes below one, of which any may end while they are looked at."""

from __future__ import annotations

import psutil


def below(word: str, process: psutil.Process | None = None) -> list[psutil.Process]:
    """The processes below one, or below this one, whose command line has the word."""
    children = (process or psutil.Process()).children(recursive=True)
    return [child for child in children if any(word in part for part in words(child))]


def words(process: psutil.Process) -> list[str]:
    """Its command line; empty when it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def runs(process: psutil.Process | int) -> bool:
    """Whether it, or the one with the pid, runs and is not only what nobody has reaped of it."""
    try:
        found = psutil.Process(process) if isinstance(process, int) else process
        return bool(found.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
