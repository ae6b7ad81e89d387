"""Runs a target on input after input, and keeps those that lead to new lines, and those that fail."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any

import llm_gateway
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import mutations

CORPUS = Path(__file__).parent / "corpus"
FOUND = Path(__file__).resolve().parents[2] / "build" / "fuzz"
"""What led to new lines, for the next run to begin with."""
SERVER = f"{Path(llm_gateway.__file__).parent}{os.sep}"
HERE = f"{Path(__file__).parent}{os.sep}"

MOST_SECONDS = 1.0
"""Of processor time, for any input; most have a thousandth of it, so that a slow machine changes nothing."""
HANG_SECONDS = 20.0
TRACED = 0.25
"""Share of the inputs that are followed by their lines, which takes some five times as long as without."""
MOST_BYTES = 1 << 16
"""Of an input: it grows so large now and then, so that work which is not linear shows."""

Mutate = Callable[[bytes, Random, Sequence[bytes]], bytes]


class Hang(BaseException):
    """Nothing came of an input in HANG_SECONDS. Not to be caught by what catches everything."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    check: raises where a property does not hold for an input. make_seeds: inputs to begin with. mutate: changes an input in terms of its own
    structure; its bytes are changed too. tokens: words of its language. drawn: structured inputs; else they are tokens in any order.
    """

    name: str
    check: Callable[[bytes], object]
    make_seeds: Callable[[], Sequence[bytes]]
    mutate: Mutate | None = None
    tokens: tuple[bytes, ...] = ()
    drawn: st.SearchStrategy[bytes] | None = None

    @cached_property
    def seeds(self) -> list[bytes]:
        """Small inputs, without repeats; those that failed once first."""
        return list(
            dict.fromkeys(data[:MOST_BYTES] for data in (*map(Path.read_bytes, self.corpus()), *self.make_seeds()))
        )

    def corpus(self) -> list[Path]:
        """The files of inputs that failed once."""
        return sorted(path for path in (CORPUS / self.name).glob("*") if path.is_file())

    @cached_property
    def drawing(self) -> st.SearchStrategy[bytes]:
        """Structured inputs."""
        words = st.sampled_from(self.tokens) | st.binary(max_size=3) if self.tokens else st.binary(max_size=64)
        return self.drawn if self.drawn is not None else st.lists(words, max_size=20).map(b"".join)

    def mutant(self, random: Random, pool: Sequence[bytes]) -> bytes:
        """A changed member of the pool: in its own terms, as bytes, or both."""
        data = random.choice(pool)
        structured = self.mutate is not None and random.random() < 0.7
        if self.mutate is not None and structured:
            with suppress(RecursionError, MemoryError):  # what was nested, or repeated, before was so again
                data = self.mutate(data, random, pool)
        if not structured or random.random() < 0.1:
            data = mutations.of_bytes(data, random, pool, self.tokens)
        return data[:MOST_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """kind: what was raised and where, the same for inputs that fail alike."""

    kind: str
    text: str
    data: bytes


@contextmanager
def _alarm() -> Iterator[None]:
    def over(_: int, frame: FrameType | None) -> None:
        raise Hang(f"nothing after {HANG_SECONDS:g} s of processor time")

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def failure(target: Target, data: bytes) -> Failure | None:
    """What is wrong with a target's dealing with this input, if anything."""
    began = time.process_time()
    found = _raised(target, data)
    if found is not None or time.process_time() - began < MOST_SECONDS:
        return found
    seconds = min(_seconds(target, data) for _ in range(3))
    if seconds < MOST_SECONDS:
        return None
    return Failure(kind="slow", text=f"{seconds:.1f} s of processor time for {len(data)} bytes", data=data)


def _raised(target: Target, data: bytes) -> Failure | None:
    try:
        with _alarm():
            target.check(data)
    except (Exception, Hang) as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if frame.filename.startswith(SERVER)]
        ours = ours or [frame for frame in frames if frame.filename.startswith(HERE)]
        place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno} {ours[-1].name}" if ours else "elsewhere"
        return Failure(kind=f"{type(error).__name__} at {place}", text=str(error)[:500], data=data)
    return None


def _seconds(target: Target, data: bytes) -> float:
    """Without the trace, whose cost is not the target's."""
    traced = sys.gettrace()
    sys.settrace(None)
    try:
        began = time.process_time()
        _raised(target, data)
        return time.process_time() - began
    finally:
        sys.settrace(traced)


def smaller(target: Target, found: Failure, seconds: float = 5.0) -> Failure:
    """The failure with what can be taken out of its input without another failure, or none, coming of it."""
    end = time.monotonic() + seconds
    size = len(found.data) // 2
    while size:
        at = 0
        while at < len(found.data) and time.monotonic() < end:
            less = failure(target, found.data[:at] + found.data[at + size :])
            if less is not None and less.kind == found.kind:
                found = less
            else:
                at += size
        size //= 2
    return found


class Edges:
    """Which lines of the gateway ran after which others, in all inputs so far: `sys.settrace`, for every Python has that."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self._bases: dict[CodeType, int] = {}
        self._last = 0

    def __enter__(self) -> None:
        self._last = 0
        sys.settrace(self._called)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        base = self._bases.get(code)
        if base is None:
            ours = code.co_filename.startswith(SERVER)
            base = self._bases[code] = (len(self._bases) + 1) << 14 if ours else 0
        return self._line if base else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            here = self._bases[frame.f_code] + frame.f_lineno
            self.seen.add(self._last << 30 | here)
            self._last = here
        return self._line


@dataclass(slots=True)
class Run:
    """One run of a target: `play` for so long, then look. note: told each input before it runs, for one that ends the process."""

    target: Target
    random: Random
    note: Callable[[bytes], None] = lambda data: None
    executions: int = 0
    new: list[bytes] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
    _edges: Edges = field(default_factory=Edges)
    _pool: list[bytes] = field(default_factory=list)

    def play(self, seconds: float, *, before: Sequence[bytes] = ()) -> None:
        """before: inputs of earlier runs that led somewhere."""
        end = time.monotonic() + seconds
        known = [*self.target.seeds, *before]
        self.random.shuffle(known)
        for data in known:
            self._run(data, follow=True)
            self._pool.append(data)
            if time.monotonic() > end - 0.7 * seconds:
                break
        draw = self._drawing()
        while time.monotonic() < end:
            if self.random.random() < 0.05:
                draw(self.random.randbytes(self.random.choice((64, 512, 4096))))
                continue
            recent = self._pool[len(self._pool) // 2 :]
            data = self.target.mutant(self.random, recent if self.random.random() < 0.3 else self._pool)
            self._take(data)

    def _drawing(self) -> Callable[[bytes], object]:
        @settings(database=None)
        @given(self.target.drawing)
        def drawn(data: bytes) -> None:
            self._take(data)

        given_bytes: Any = drawn
        fuzz: Callable[[bytes], object] = given_bytes.hypothesis.fuzz_one_input
        return fuzz

    def _take(self, data: bytes) -> None:
        data = data[:MOST_BYTES]
        if self._run(data, follow=self.random.random() < TRACED):
            self.new.append(data)
            self._pool.append(data)

    def _run(self, data: bytes, *, follow: bool) -> bool:
        """Whether the input went where none has gone before, as far as it was followed, without failing."""
        self.executions += 1
        self.note(data)
        known = len(self._edges.seen)
        with self._edges if follow else nullcontext():
            found = failure(self.target, data)
        if found is None:
            return len(self._edges.seen) > known
        if found.kind not in self.failures:
            self.failures[found.kind] = smaller(self.target, found)
        return False


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def keep(target: str, data: bytes) -> Path:
    """Write an input that failed into the corpus."""
    path = CORPUS / target / name_of(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
