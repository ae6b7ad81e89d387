"""What fuzzing once found stays mended; the fuzzer itself finds, shrinks and keeps a defect."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import engine
from tests.fuzz.engine import Run, Target
from tests.fuzz.targets import TARGETS

CORPUS = [
    pytest.param(target, path, id=f"{target.name}-{path.name}")
    for target in TARGETS.values()
    for path in target.corpus()
]
EXAMPLES = 40


@pytest.mark.parametrize(("target", "path"), CORPUS)
def test_an_input_that_once_failed_passes(target: Target, path: Path) -> None:
    """Every file of the corpus."""
    assert engine.failure(target, path.read_bytes()) is None


def test_every_folder_of_the_corpus_is_a_targets() -> None:
    """A renamed target takes its corpus along."""
    assert {path.name for path in engine.CORPUS.iterdir()} <= TARGETS.keys()


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_inputs_of_any_kind_hold_the_properties(target: Target) -> None:
    """Some seeds, mutants of them, and structured inputs: the same ones each time."""

    def mutant(number: int) -> bytes:
        return target.mutant(random.Random(number), target.seeds)

    @settings(max_examples=EXAMPLES, derandomize=True, database=None)
    @given(st.sampled_from(target.seeds) | st.integers(0, 1 << 32).map(mutant) | target.drawing)
    def holds(data: bytes) -> None:
        found = engine.failure(target, data[: engine.MOST_BYTES])
        assert found is None, f"{found.kind}: {found.text}"

    holds()


# ---------------------------------------------------------------- the fuzzer
def _fragile(data: bytes) -> None:
    if b"bad" in data:
        raise ValueError("found")


def test_a_defect_is_found_and_made_small() -> None:
    """Of an input that fails, what does not matter is taken out."""
    run = Run(Target("t", _fragile, lambda: [b"good", b"a long input"], tokens=(b"bad",)), random.Random(1))
    while not run.failures:
        run.play(0.05)
    assert [(found.kind.split()[0], found.data) for found in run.failures.values()] == [("ValueError", b"bad")]


def test_work_without_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped, also where everything is caught."""

    def endless(data: bytes) -> None:
        while True:
            try:
                pass
            except Exception:
                raise

    monkeypatch.setattr(engine, "HANG_SECONDS", 0.1)
    found = engine.failure(Target("t", endless, lambda: [b""]), b"")
    assert found is not None
    assert found.kind.startswith("Hang")


def test_work_that_takes_too_long_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured again, and by the processor's time."""
    monkeypatch.setattr(engine, "MOST_SECONDS", 0.001)
    found = engine.failure(Target("t", lambda data: sum(range(10**6)), lambda: [b""]), b"")
    assert found is not None
    assert found.kind == "slow"


def test_a_failure_becomes_a_file_of_the_corpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which the replay reads."""
    monkeypatch.setattr(engine, "CORPUS", tmp_path)
    target = Target("t", _fragile, lambda: [b"good"])
    path = engine.keep("t", b"bad")
    assert target.corpus() == [path]
    assert target.seeds == [b"bad", b"good"]
