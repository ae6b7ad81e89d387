"""A real PostgreSQL, for tests of the store: its own data, a free port of 127.0.0.1, and a password."""

from __future__ import annotations

import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.support.waiting import eventually_blocking

PROGRAMS = Path(__file__).parents[2] / ".ci/postgres"
USER = "gateway"


class NoPostgres(Exception):
    """There are no programs of it."""


class Postgres:
    """One server. It runs as a user other than root, which it refuses to run as."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        self._server: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        """Ends the server when the pipe to it closes: with this process, however that ends."""
        self.password = secrets.token_hex(8)
        self._as: list[str] = []
        """What runs a command as that user. A fork that does it here would run gRPC's handlers of forks in the child, which it may not survive."""
        if os.getuid() == 0:
            user = next(pwd.getpwnam(name) for name in ("postgres", "nobody") if _exists(name))
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        word = folder / "password"
        word.write_text(self.password)
        word.chmod(0o644)
        options = ("--no-sync", "--no-locale", "--encoding=UTF8", "--auth=scram-sha-256", "--username", USER)
        command = [str(programs / "initdb"), *options, f"--pwfile={word}", "-D", str(folder / "data")]
        subprocess.run([*self._as, *command], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        self.port = _port()

    def url(self, database: str = "postgres") -> str:
        """A URL with user and password."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, and wait until it takes connections. What it has written outlives it, though not the machine (-F)."""
        data, log = self._folder / "data", self._folder / "log"
        command = [self._programs / "postgres", "-D", data, "-p", str(self.port), "-h", "127.0.0.1", "-k", "", "-F"]
        with log.open("ab") as output:
            given: dict[str, Any] = {"stdout": output, "stderr": output, "cwd": self._folder}
            self._server = subprocess.Popen([*self._as, *map(str, command)], stdin=subprocess.DEVNULL, **given)
            guard = ["/bin/sh", "-c", 'read -r _; kill -QUIT "$1"', "guard", str(self._server.pid)]
            self._guard = subprocess.Popen([*self._as, *guard], stdin=subprocess.PIPE, start_new_session=True, **given)
        eventually_blocking(self._answers, "PostgreSQL takes connections")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop. SIGINT is its fast shutdown, SIGQUIT a crash."""
        if self._server is not None and self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._server.send_signal(how)
            self._server.wait(120)
            self._server = None

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"d{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def _answers(self) -> bool:
        if self._server is None or self._server.poll() is not None:
            ended = self._server.returncode if self._server is not None else None
            raise RuntimeError(f"PostgreSQL has ended with {ended}:\n{(self._folder / 'log').read_text()}")
        try:
            psycopg.connect(self.url(), connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True


def _port() -> int:
    """A free one that the system gives to nobody by itself: it is still free when the server is started, also after a stop."""
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range")
    end = int(limits.read_text().split()[0]) if limits.exists() else 32768
    while True:
        port = random.randrange(min(10_000, end - 1_000), end)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@contextmanager
def running() -> Iterator[Postgres]:
    """A server that has been started. Raises NoPostgres."""
    found = subprocess.run([PROGRAMS], capture_output=True, text=True, check=False)
    if found.returncode:
        raise NoPostgres("no PostgreSQL; as root `.ci/postgres --install` gets it")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # where every user may look: pytest's folders are ours alone
    try:
        server = Postgres(Path(found.stdout.strip()), folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
