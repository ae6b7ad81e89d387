"""Row G3: what the time of a refusal tells of a key. Measured where keys are compared, so that no network hides it."""

from __future__ import annotations

import gc
import hashlib
import random
import secrets
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llm_gateway import config
from llm_gateway.admin.auth import AdminAuth
from llm_gateway.admin.methods import METHODS
from llm_gateway.cli.admin_key import PREFIX
from llm_gateway.errors import CallerUnauthenticated
from llm_gateway.rpc.auth import Auth
from llm_gateway.rpc.server import AioRpc

from tests.faults.rig import Rig, row

TRIES: Final = 10_000
"""Of each class."""
WARM: Final = 100
"""Before them, which do not count."""
FLOOR: Final = 1e-9
"""Seconds; the noise is never taken for less: the clock is no finer."""
SEND: Final = "/llmgateway.v1.LLMGateway/Send"


def _guesses(key: str) -> tuple[dict[str, str], dict[str, str]]:
    """By class, keys that are not valid: as long as the key, and a digit shorter. Who guesses knows how long the guess is, and hashing takes its time by that;
    so those of one length are compared."""
    at, unknown = len(PREFIX), PREFIX + secrets.token_hex(32)  # what is behind the prefix, which everybody knows
    long = {
        "wrong last digit": key[:-1] + _other(key[-1]),
        "wrong first digit": key[:at] + _other(key[at]) + key[at + 1 :],
        "unknown": unknown,
    }
    return long, {"a digit missing": key[:-1], "unknown and short": unknown[:-1]}


def _other(digit: str) -> str:
    return "1" if digit == "0" else "0"


def _seconds(admit: Callable[[Any], None], path: str, key: str) -> float:
    """Of one refusal."""
    rpc = AioRpc(_Details(path, key))  # type: ignore[arg-type]
    begun = time.perf_counter_ns()
    try:
        admit(rpc)
    except CallerUnauthenticated:
        return (time.perf_counter_ns() - begun) * 1e-9
    raise AssertionError("a key was taken that is none")


class _Details:
    """Of a call that carries a key, as gRPC gives them to a guard."""

    def __init__(self, path: str, key: str) -> None:
        self.method = path
        self.invocation_metadata = (("authorization", f"Bearer {key}"),)


def _typical(values: Sequence[float]) -> float:
    """The mean of the faster half: what else the machine did is in the other."""
    return statistics.fmean(sorted(values)[: len(values) // 2])


def _leak(times: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Seconds: the largest difference between two classes, and the largest of a class from itself, halved at random 100 times."""
    typical = [_typical(values) for values in times.values()]
    noise = 0.0
    for values in times.values():
        for _ in range(100):
            mixed = random.sample(values, len(values))
            half = len(mixed) // 2
            noise = max(noise, abs(_typical(mixed[:half]) - _typical(mixed[half:])))
    return max(typical) - min(typical), max(noise, FLOOR)


def _measured(admit: Callable[[Any], None], path: str, keys: Sequence[str]) -> tuple[float, float]:
    """Classes in turn, in another order each time; guesses at each of the keys that are valid. What `_leak` gives, of the length of which it is worse."""
    times: tuple[dict[str, list[float]], ...] = ({}, {})
    gc.disable()
    try:
        for number in range(WARM + TRIES):
            lengths = zip(times, _guesses(keys[number % len(keys)]), strict=True)
            guesses = [(found.setdefault(name, []), guess) for found, some in lengths for name, guess in some.items()]
            random.shuffle(guesses)
            for found, guess in guesses:
                found.append(_seconds(admit, path, guess.encode().decode()))  # each as new as another
    finally:
        gc.enable()
    leaks = [_leak({name: values[WARM:] for name, values in found.items()}) for found in times]
    return max(leaks, key=lambda leak: leak[0] / leak[1])


@row("G3", star=True, most=1, timed=True)
async def time_tells_nothing_of_a_key(rig: Rig) -> float:
    """10,000 refusals each of a key that is right but for its last digit, its first, a missing one, and of unknown keys, by callers' and the administration's guard: how two of one length differ, as a share of what one differs from itself."""
    keys = [PREFIX + secrets.token_hex(32) for _ in range(3)]
    callers = Auth([config.ApiKey(name=f"k{n}", key=config.Secret(key)) for n, key in enumerate(keys)])
    hashes = [config.Secret(f"sha256:{hashlib.sha256(key.encode()).hexdigest()}") for key in keys]
    administration = AdminAuth(
        config.Admin(keys=tuple(config.AdminKey(name=f"k{n}", role="admin", hash=h) for n, h in enumerate(hashes)))
    )
    shares = []
    for whose, admit, path in (
        ("callers' keys", callers.admit, SEND),
        ("the administration's", administration.admit, min(METHODS)),
    ):
        difference, noise = _measured(admit, path, keys)
        rig.note(f"{whose}: {difference * 1e9:.1f} ns between classes, {noise * 1e9:.1f} ns within one")
        shares.append(difference / noise)
    return max(shares)
