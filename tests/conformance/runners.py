"""The languages: what is in `runners/*/runner.json`, their toolchains, and a runner at work."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "runners"
ANSWER_LIMIT = 64 << 20  # bytes of one answer
ANSWER_SECONDS = 300.0


class Failed(Exception):
    """A command or a runner failed; the text says how."""


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An example program and the README that shows what it prints."""

    run: list[str]
    readme: str


class Language(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`runner.json`, see README.md. name: that of its folder."""

    name: str = ""
    needs: list[str]
    build: list[list[str]]
    run: list[str]
    examples: list[Example] = []
    package: list[list[str]] = []
    contents: list[str] = []

    def missing(self) -> list[str]:
        """Programs it needs that are not in the path."""
        return [program for program in self.needs if shutil.which(program) is None]


def languages() -> list[Language]:
    """All languages, in order of their names."""
    paths = sorted(FOLDER.glob("*/runner.json"))
    return [
        msgspec.structs.replace(msgspec.json.decode(path.read_bytes(), type=Language), name=path.parent.name)
        for path in paths
    ]


def command(words: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Run a command in the root of the repository; its standard output. Raises Failed with all it said."""
    done = subprocess.run(
        _filled(words),
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _filled(words: Sequence[str]) -> list[str]:
    return [sys.executable if word == "{python}" else word for word in words]


@dataclass(slots=True)
class Runner:
    """A runner at work."""

    process: asyncio.subprocess.Process
    errors: asyncio.Task[bytes]

    async def play(self, line: bytes, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """One conversation. Raises Failed when the runner ends, answers no JSON, or says nothing for so long."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(line)
            await self.process.stdin.drain()
            answer = await asyncio.wait_for(self.process.stdout.readline(), seconds)
            result = json.loads(answer)
        except (TimeoutError, ConnectionError, ValueError) as error:
            raise Failed(await self._end(f"no answer ({type(error).__name__})")) from error
        assert isinstance(result, dict)
        return result

    async def _end(self, what: str) -> str:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        return f"{what}:\n{(await self.errors).decode(errors='replace')[-4000:]}"


@asynccontextmanager
async def running(language: Language) -> AsyncIterator[Runner]:
    """The language's runner, started. Raises Failed when it does not end well."""
    process = await asyncio.create_subprocess_exec(
        *_filled(language.run), cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=ANSWER_LIMIT
    )
    assert process.stdin is not None
    assert process.stderr is not None
    runner = Runner(process, asyncio.create_task(process.stderr.read()))
    try:
        yield runner
        process.stdin.close()
        await asyncio.wait_for(process.wait(), ANSWER_SECONDS)
        if process.returncode:
            raise Failed(await runner._end(f"the runner ended with {process.returncode}"))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await runner.errors
