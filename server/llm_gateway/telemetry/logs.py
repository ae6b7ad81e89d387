"""Logs: structlog's JSON lines. No line holds a prompt, an answer, a key or a provider's words."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any

import msgspec
import structlog

from llm_gateway.telemetry.lines import Lines
from llm_gateway.telemetry.names import SCOPE
from llm_gateway.telemetry.redaction import REDACTED, redact

_SECRET_KEYS = frozenset(
    {
        *("api_key", "api_keys", "apikey", "authorization", "proxy_authorization", "x_api_key", "x_goog_api_key"),
        *("access_token", "refresh_token", "session_token", "token", "cookie", "set_cookie"),
        *("client_secret", "password", "secret", "secret_access_key"),
    }
)
"""Names whose values are never written, in lower case with underscores."""
_encode = msgspec.json.Encoder(enc_hook=repr).encode


@lru_cache
def is_secret(key: str) -> bool:
    """Whether values of this name are never written."""
    return key.lower().replace("-", "_") in _SECRET_KEYS


def without_secrets(value: object) -> object:
    """A field's value without what stands in it under a secret's name."""
    if isinstance(value, Mapping):
        return {k: REDACTED if is_secret(str(k)) else without_secrets(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(each) for each in value]
    return value


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)
    return [f"{frame.filename.rpartition('llm_gateway/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-30:]]


def _entry(_: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The line's fields in order: event, level and timestamp first. Of an exception only the frames are logged, without its text and
    without values, since either may hold a prompt or a key."""
    entry = {"event": event.pop("event"), "level": level, "timestamp": datetime.now(UTC)}
    if event.pop("exc_info", None):
        entry["frames"] = _frames(sys.exc_info()[2])
    for key, value in event.items():
        if is_secret(key):
            value = REDACTED
        elif type(value) not in _SCALARS:
            value = without_secrets(value)
        entry[key] = value
    return entry


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _line(_: object, __: str, event: structlog.typing.EventDict) -> str:
    return redact(_encode(event).decode())


def _parsed(_: object, __: str, line: Any) -> structlog.typing.EventDict:
    """Back to fields, for people: redacted in the same way, and harmless to their terminal."""
    fields = msgspec.json.decode(line)
    return {key: _visible(value) if isinstance(value, str) else value for key, value in fields.items()}


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _StandardError:
    """Hands a line to the thread that writes it: the event loop never waits for standard error."""

    def write(self, line: str) -> None:
        _lines.put(f"{line}\n".encode(errors="backslashreplace"))

    debug = info = warning = error = critical = write


_lines = Lines(2, lambda count: log().warning("log lines dropped", lines=count))
flush = _lines.flush
"""Wait until the lines so far are written, at most a second or the seconds given."""
atexit.register(flush)


def take_standard_error() -> None:
    """From now on, whatever else is written to standard error becomes log lines (`standard error`): above all the texts of gRPC's core, which quote
    peers, line feeds included. What is written while the process is being killed is lost."""
    reading, writing = os.pipe()
    _lines.fd = os.dup(2)
    os.dup2(writing, 2)
    os.close(writing)

    def read() -> None:
        with open(reading, "rb") as pipe:
            while line := pipe.readline(_LONGEST):
                with suppress(Exception):  # a pipe that nobody reads would stop who writes to it
                    log().info("standard error", text=line.decode(errors="backslashreplace").removesuffix("\n"))

    thread = threading.Thread(target=read, name="standard error", daemon=True)
    thread.start()

    def give_back() -> None:
        os.dup2(_lines.fd, 2)
        thread.join(1.0)
        flush()

    atexit.register(give_back)


_LONGEST = 2048
"""Bytes of such a line; longer ones are split."""


class _Libraries(logging.Handler):
    """Makes log lines of what libraries log: the logger's name, and where an exception came from. Their texts may hold anything, so only those of
    asyncio, which are constant, are kept, and of them the first line."""

    def emit(self, record: logging.LogRecord) -> None:
        said = str(record.msg).partition("\n")[0][:200] if not record.args else ""
        fields: dict[str, Any] = {"logger": record.name, "line": record.lineno}
        if record.name == "asyncio":
            fields["said"] = said
        if record.exc_info and record.exc_info[2] is not None:
            fields["error"] = getattr(record.exc_info[0], "__name__", "")
            fields["frames"] = _frames(record.exc_info[2])
        log().log(record.levelno, "library", **fields)


def _unless_in_background(_: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """In a background job of a terminal, calls are not logged: they would clutter what the user runs in the foreground."""
    if method == "info" and event.get("event") == "rpc":
        with suppress(OSError):
            if os.tcgetpgrp(sys.stderr.fileno()) != os.getpgrp():
                raise structlog.DropEvent
    return event


def configure_logging(level: str = "info", *, human: bool = False) -> None:
    """Log to standard error, as JSON, one object a line; with `human` as coloured text. Warnings of libraries are logged too."""
    structlog.configure(
        processors=[
            *((_unless_in_background,) if sys.stderr.isatty() else ()),
            _entry,
            _line,
            *((_parsed, structlog.dev.ConsoleRenderer()) if human else ()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _Libraries) for handler in root.handlers):
        root.addHandler(_Libraries(logging.WARNING))


def log() -> structlog.typing.FilteringBoundLogger:
    """The gateway's logger."""
    return structlog.get_logger(SCOPE)  # type: ignore[no-any-return]
