"""Several worker processes on one port (SO_REUSEPORT), each with an event loop of its own; the kernel spreads the connections.

Limits, budgets and breakers hold for each worker. Workers are started as new processes before anything of gRPC is: it does not survive a fork.
A worker's standard input is a pipe from its supervisor, which ends when that does: a worker does not outlive it, however it ends.

Where there is an administration or a store, one more process has it, the control process; it talks to the workers over a Unix socket. If it dies, it is
started again, and nobody who is served by a worker notices.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from llm_gateway.upstream.processes.watcher import locked_folder
from llm_gateway.upstream.processes.watcher_child import forgotten

WORKER = "LLM_GATEWAY_WORKER"
"""Environment variable that tells a worker from the supervisor; its value is the worker's number, or CONTROL."""
CONTROL = "control"
SOCKET = "LLM_GATEWAY_CONTROL_SOCKET"
"""Path of the socket between the control process and the workers."""
ADMIN_LISTEN = "LLM_GATEWAY_CONTROL_LISTEN"
"""Address of the administration, where the supervisor holds a port in place of 0."""
RESTART_PAUSE = 1.0
"""Seconds before a process that died is started again."""
SOON, LONGEST_PAUSE = 5.0, 10.0
"""Seconds within which the control process has died at once, so that the next pause is twice as long; and the longest."""
CONTROL_GRACE = 5.0
"""Seconds that the control process has to end."""
LONGEST_FOLDER = 64
"""Bytes of the path of the folder for temporary files; a socket's path has at most 107."""


def reserve(listen: str) -> tuple[str, socket.socket | None]:
    """The address with a port in place of 0, and a socket that holds that port while processes come and go."""
    host, _, port = listen.rpartition(":")
    if port != "0":
        return listen, None
    holder = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind((host.strip("[]"), 0))
    return f"{host}:{holder.getsockname()[1]}", holder


class _Child:
    """A process of ours, which is started again when it has died.

    longest: seconds that the pause before it grows to, while it dies at once. told: whether it was told to stop.
    """

    def __init__(self, command: list[str], env: Mapping[str, str], *, longest: float = RESTART_PAUSE) -> None:
        self._command = [sys.executable, *command]
        self._env = env
        self._longest = longest
        self._pause = RESTART_PAUSE
        self._start()

    def _start(self) -> None:
        self._due: float | None = None
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            self._command, env=self._env, stdin=subprocess.PIPE, start_new_session=True
        )
        self.told = False  # a signal that came meanwhile was told to the dead one

    def look(self) -> int | None:
        """Its exit code when it is found dead. Starts it again when that is due."""
        code, now = self._process.poll(), time.monotonic()
        if code is None:
            return None
        if self._due is None:
            if now - self._started > SOON:
                self._pause = RESTART_PAUSE
            self._due, self._pause = now + self._pause, min(2 * self._pause, self._longest)
            return code
        if now >= self._due:
            self._start()
        return None

    def tell(self, number: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def end(self, within: float | None = None) -> int:
        """Have it end, if it was not told yet. Returns its exit code."""
        if not self.told:
            self._process.terminate()
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def supervise(count: int, listen: str, command: list[str], env: Mapping[str, str], *, admin: str | None = None) -> int:
    """Run `count` workers until told to stop; returns the exit code. admin: where the administration listens, "" where there is a store only; None:
    without a control process.

    SIGTERM and SIGINT reach every worker once and end the supervision, SIGHUP reaches every process. One that dies is replaced. The control
    process ends last. Raises OSError when there is no folder for its socket.
    """
    with ExitStack() as held:
        env = {**env, **_port(held, listen, "LLM_GATEWAY_LISTEN")}
        own = dict[str, str]()
        if admin is not None:
            env[SOCKET] = f"{held.enter_context(_folder())}/control"
            own = {**env, **_port(held, admin, ADMIN_LISTEN), WORKER: CONTROL}
        return _supervise(command, [{**env, WORKER: str(number)} for number in range(count)], own)


def _port(held: ExitStack, listen: str, variable: str) -> dict[str, str]:
    """Holds the port of an address that leaves it open; the variable that tells which."""
    address, holder = reserve(listen)
    if holder is None:
        return {}
    held.enter_context(holder)
    return {variable: address}


def _temporary() -> str:
    """Where the folder is made. The file system may be read-only, as in our image; memory is not. Raises OSError."""
    with suppress(FileNotFoundError):
        if len(usual := tempfile.gettempdir()) <= LONGEST_FOLDER:
            return usual
    for known in ("/tmp", "/dev/shm"):  # noqa: S108 - the folder is made anew, for our user alone
        if os.access(known, os.W_OK):
            return known
    raise OSError(
        "the socket of the control process needs a folder: neither /tmp nor /dev/shm can be written; mount one"
    )


@contextmanager
def _folder() -> Iterator[str]:
    """A folder that only our user can look into. Removes those of supervisors that were killed."""
    temporary = _temporary()
    for left in forgotten(temporary):
        shutil.rmtree(left, ignore_errors=True)
    path, lock = locked_folder(temporary)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _supervise(command: list[str], envs: Sequence[Mapping[str, str]], own: Mapping[str, str]) -> int:
    """envs: of the workers. own: of the control process; empty where there is none."""
    stopping = False
    workers: list[_Child] = []
    control: list[_Child] = []
    replaced = False
    failed = 0

    def pass_on(number: int, _: object) -> None:
        nonlocal stopping
        stopping = stopping or number != signal.SIGHUP
        for worker in workers:
            worker.tell(number)
            worker.told = worker.told or stopping
        if number == signal.SIGHUP:
            for one in control:
                one.tell(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    control += [_Child(command, own, longest=LONGEST_PAUSE)] if own else []
    workers += [_Child(command, env) for env in envs]
    while not stopping:
        time.sleep(0.1)
        for child in (*workers, *control):
            code = None if stopping else child.look()
            if code is None:
                continue
            if code == 2 and not replaced:  # the configuration is wrong: another try would find the same
                failed = code
                pass_on(signal.SIGTERM, None)
                break
            replaced = True  # the others may go on with what the files held before
    codes = [worker.end() for worker in workers]
    for one in control:
        one.end(CONTROL_GRACE)
    return failed or max(codes, default=0)


def is_worker(env: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is one of several workers, or the control process beside them."""
    return WORKER in env


def is_control(env: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is the control process."""
    return env.get(WORKER) == CONTROL


def when_orphaned(loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
    """In a worker, have `tell` called when its supervisor has ended; elsewhere nothing."""

    def ended() -> None:
        loop.remove_reader(0)
        tell()

    if is_worker() and stat.S_ISFIFO(os.fstat(0).st_mode):  # nothing is ever written to it
        loop.add_reader(0, ended)
