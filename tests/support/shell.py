"""A shell that keeps its state from command to command, as a person's does."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.waiting import PATIENCE

_LOOP = r"""
while IFS= read -r -u 3 line; do
  eval "$line" < /dev/null 3<&-
  printf '\036%s\n' "$?"
done
kill $(jobs -p) 2> /dev/null
wait
"""


class Shell:
    """Runs commands one by one, each to its end; jobs, variables and the folder stay."""

    def __init__(self, process: "subprocess.Popen[str]", commands: int) -> None:
        self._process = process
        self._commands = commands

    def run(self, command: str) -> tuple[str, int]:
        """What it prints on both its outputs, and its exit code."""
        os.write(self._commands, f"{command}\n".encode())
        said = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            before, end, code = line.partition("\x1e")
            said.append(before)
            if end:
                return "".join(said), int(code)
        raise RuntimeError(f"the shell ended during {command}: {''.join(said)}")


@contextmanager
def shell(folder: Path, env: Mapping[str, str]) -> Iterator[Shell]:
    """In this folder; its jobs end with it, and what does not end by itself is killed."""
    commands, ours = os.pipe()
    script = _LOOP.replace("-u 3", f"-u {commands}").replace("3<&-", f"{commands}<&-")
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=[commands],
        start_new_session=True,
    ) as process:
        os.close(commands)
        try:
            yield Shell(process, ours)
        finally:
            os.close(ours)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
