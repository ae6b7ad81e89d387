"""Log lines to a pipe: nobody waits for it, nothing is torn, and what is lost is counted."""

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from llm_gateway.telemetry.lines import WHOLE, Lines

PATIENCE = 30.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Its two ends: read, write."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def everything(read: int, lines: Lines) -> bytes:
    """What comes until all is written."""
    found = b""
    os.set_blocking(read, False)
    while True:
        done = lines.flush(0.01)
        with suppress(BlockingIOError):
            found += os.read(read, 1 << 20)
            continue
        if done:
            return found


def test_lines_come_whole_and_in_order(pipe: tuple[int, int]) -> None:
    """Short ones together, one longer than a pipe takes at once."""
    lines = Lines(pipe[1], lambda count: None)
    sent = [b"%d\n" % number for number in range(1000)] + [b"x" * (3 * WHOLE) + b"\n", b"end\n"]
    for line in sent:
        lines.put(line)
    assert everything(pipe[0], lines) == b"".join(sent)
    assert not lines.dropped


def test_a_pipe_that_nobody_reads_costs_lines_and_no_time(pipe: tuple[int, int]) -> None:
    """Putting never waits; what found no room is counted, and told once the pipe moves again."""
    told: list[int] = []
    lines = Lines(pipe[1], told.append, most=100_000)
    for _ in range(100_000):
        lines.put(b"123456789\n")
    assert not lines.flush(0.01)
    assert lines.dropped > 50_000
    assert not told or sum(told) <= lines.dropped
    written = everything(pipe[0], lines)
    assert len(written) // 10 + lines.dropped == 100_000
    assert sum(told) == lines.dropped
    assert set(written.splitlines()) == {b"123456789"}


def test_the_line_that_tells_what_was_dropped_finds_room(pipe: tuple[int, int]) -> None:
    """It is written by the thread that makes room, before anybody else can take it; a count is never lost in a full queue."""
    lines = Lines(pipe[1], lambda count: lines.put(b"dropped %d\n" % count), most=100_000)
    for _ in range(100_000):
        lines.put(b"123456789\n")
    written = everything(pipe[0], lines).splitlines()
    told = [int(line.split()[1]) for line in written if line.startswith(b"dropped")]
    assert written.count(b"123456789") + sum(told) == 100_000
    assert sum(told) == lines.dropped


def test_a_pipe_that_is_gone_fails_nothing(pipe: tuple[int, int]) -> None:
    """The line is lost, and so is the next; nobody is told, and the flush ends."""
    lines = Lines(pipe[1], lambda count: None)
    os.close(pipe[0])
    for _ in range(2):
        lines.put(b"lost\n")
        assert lines.flush(PATIENCE)


def test_a_pipe_that_others_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    """Its file description is shared with whoever started us."""
    os.set_blocking(pipe[1], False)
    lines = Lines(pipe[1], lambda count: None)
    sent = [b"y" * 999 + b"\n"] * 500
    for line in sent:
        lines.put(line)
    assert everything(pipe[0], lines) == b"".join(sent)
