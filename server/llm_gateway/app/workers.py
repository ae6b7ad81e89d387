"""Several worker processes on one port (SO_REUSEPORT), each with an event loop of its own; the kernel spreads the connections.

Limits, budgets and breakers hold for each worker. Workers are started as new processes before anything of gRPC is: it does not survive a fork.
A worker's standard input is a pipe from its supervisor, which ends when that does: a worker does not outlive it, however it ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

WORKER = "LLM_GATEWAY_WORKER"
"""Environment variable that tells a worker from the supervisor; its value is the worker's number."""
RESTART_PAUSE = 1.0
"""Seconds before a worker that died is started again."""


def reserve(listen: str) -> tuple[str, socket.socket | None]:
    """The address with a port in place of 0, and a socket that holds that port while workers come and go."""
    host, _, port = listen.rpartition(":")
    if port != "0":
        return listen, None
    holder = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind((host.strip("[]"), 0))
    return f"{host}:{holder.getsockname()[1]}", holder


def supervise(count: int, listen: str, command: list[str], env: Mapping[str, str]) -> int:
    """Run `count` workers until told to stop; returns the exit code.

    SIGTERM and SIGINT reach every worker once and end the supervision, SIGHUP reaches every worker. A worker that dies is replaced.
    """
    address, holder = reserve(listen)
    stopping = False
    workers: list[subprocess.Popen[bytes]] = []
    told: set[subprocess.Popen[bytes]] = set()  # to stop
    replaced = False

    def start(number: int) -> subprocess.Popen[bytes]:
        own = {**env, WORKER: str(number), "LLM_GATEWAY_LISTEN": address}
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, *command], env=own, stdin=subprocess.PIPE, start_new_session=True
        )

    def pass_on(number: int, _: object) -> None:
        nonlocal stopping
        stopping = stopping or number != signal.SIGHUP
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(number)
            if stopping:
                told.add(worker)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    workers += [start(number) for number in range(count)]
    failed = 0
    while not stopping:
        time.sleep(0.1)
        for index, worker in enumerate(workers):
            code = worker.poll()
            if code is None or stopping:
                continue
            if code == 2 and not replaced:  # the configuration is wrong: another try would find the same
                stopping, failed = True, code
                pass_on(signal.SIGTERM, None)
                break
            time.sleep(RESTART_PAUSE)
            if not stopping:
                workers[index], replaced = start(index), True  # the others may go on with what the files held before
    for worker in workers:
        if worker not in told:  # it was being started when the signal came
            worker.terminate()
    codes = [worker.wait() for worker in workers]
    if holder is not None:
        holder.close()
    return failed or max(codes, default=0)


def is_worker(env: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is one of several workers."""
    return WORKER in env


def when_orphaned(loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
    """In a worker, have `tell` called when its supervisor has ended; elsewhere nothing."""

    def ended() -> None:
        loop.remove_reader(0)
        tell()

    if is_worker() and stat.S_ISFIFO(os.fstat(0).st_mode):  # nothing is ever written to it
        loop.add_reader(0, ended)
