"""``llm-gateway db``: looks after the store. It opens the store itself, and asks no gateway."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING

from llm_gateway import config
from llm_gateway.cli import FAILED, OK, UsageError
from llm_gateway.cli.config_check import load
from llm_gateway.telemetry import logs

if TYPE_CHECKING:
    from llm_gateway.store.store import Store


def run(args: argparse.Namespace) -> int:
    settings = load(args.config, os.environ).store
    if settings is None:
        raise UsageError("the configuration has no store; add `store: {directory: data}`, see docs/configuration.md")
    logs.configure_logging("error", human=True)
    from llm_gateway.store.store import BackupError, Stale, Store, StoreUnavailable

    try:
        with closing(Store(settings)) as store:
            print(_ACTIONS[args.action](store, settings, args), file=sys.stderr)
    except StoreUnavailable as error:
        print(f"error: {place(settings)}: {error}", file=sys.stderr)
        return FAILED
    except Stale:
        print(f"error: {place(settings)}: somebody changed the store meanwhile; nothing was restored", file=sys.stderr)
        return FAILED
    except BackupError as error:
        raise UsageError(f"{args.file} {error}") from None
    return OK


def place(settings: config.Store) -> str:
    """Where the store is, in words without a secret."""
    from llm_gateway.store.engines import file_of

    return file_of(settings) or "the PostgreSQL of store.url"


def _upgrade(store: Store, settings: config.Store, args: argparse.Namespace) -> str:
    before, after = store.upgrade()
    told = f"is at migration {after}"
    return f"{place(settings)} {told}, as it was" if before == after else f"{place(settings)} {told}, {_from(before)}"


def _from(before: str) -> str:
    return f"from {before}" if before else "made anew"


def _backup(store: Store, settings: config.Store, args: argparse.Namespace) -> str:
    if settings.directory is not None and not os.path.exists(place(settings)):
        raise UsageError(f"{place(settings)} is not there, so there is nothing to back up")
    rows = -2  # the head and the end
    with _written(args.file) as out:
        for line in store.backup():
            out.write(line)
            rows += 1
    return f"{rows} rows of {place(settings)} are in {args.file}"


@contextmanager
def _written(path: str) -> Iterator[IO[bytes]]:
    """A new file, which only its owner may read, and which is not there unless all of it is."""
    if path == "-":
        yield sys.stdout.buffer
        return
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            try:
                yield out
                out.flush()
                os.fsync(out.fileno())
            except BaseException:
                os.unlink(path)
                raise
    except FileExistsError:
        raise UsageError(f"{path} is there already; name a new file") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _restore(store: Store, settings: config.Store, args: argparse.Namespace) -> str:
    with _given(args.file) as lines:
        revision = store.restore(lines, replace=args.replace)
    return f"{place(settings)} is at revision {revision}, as {args.file} has it"


@contextmanager
def _given(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        with open(path, "rb") as lines:
            yield lines
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


_ACTIONS = {"upgrade": _upgrade, "backup": _backup, "restore": _restore}
