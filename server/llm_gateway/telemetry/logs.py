"""Logs: JSON lines. No line holds a prompt, an answer, a key or a provider's words."""

from __future__ import annotations

import atexit
import logging
import math
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Final

import msgspec

from llm_gateway.telemetry.lines import Lines
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
    """A field's value without nested values under a secret's name."""
    if isinstance(value, Mapping):
        return {k: REDACTED if is_secret(str(k)) else without_secrets(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(each) for each in value]
    return value


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)
    return [f"{frame.filename.rpartition('llm_gateway/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-30:]]


def _line(level: int, event: str, exc_info: bool, fields: Mapping[str, Any]) -> str:
    """Event, level and timestamp, then the fields in their order. Of an exception only the frames are logged, without its text and without
    values, since either may hold a prompt or a key."""
    entry = {"event": event, "level": logging.getLevelName(level).lower(), "timestamp": datetime.now(UTC)}
    if exc_info:
        entry["frames"] = _frames(sys.exc_info()[2])
    for key, value in fields.items():
        if is_secret(key):
            value = REDACTED
        elif type(value) not in _SCALARS:
            value = without_secrets(value)
        entry[key] = value
    return redact(_encode(entry).decode())


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _for_people(line: str) -> str:
    """The line in colours: redacted in the same way, and harmless to the reader's terminal."""
    fields = {
        key: _visible(value) if isinstance(value, str) else value for key, value in msgspec.json.decode(line).items()
    }
    event, level, timestamp = (fields.pop(name) for name in ("event", "level", "timestamp"))
    rest = "".join(f" \x1b[36m{key}\x1b[0m=\x1b[35m{_quoted(value)}\x1b[0m" for key, value in sorted(fields.items()))
    colour = {"info": 32, "warning": 33}.get(level, 31)
    return f"\x1b[2m{timestamp}\x1b[0m [\x1b[{colour}m\x1b[1m{level:<9}\x1b[0m] \x1b[1m{event:<30}\x1b[0m{rest}"


def _quoted(value: Any) -> str:
    return value if isinstance(value, str) and not set(value) & set(" \t=\r\n\"'") else repr(value)


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Logger:
    """Writes a line for each event of its level or above; the event loop never waits for standard error. exc_info: with the frames of the
    exception that is being handled. Nothing is written before `configure_logging`."""

    def __init__(self) -> None:
        self.least: float = math.inf
        self.human = self.terminal = False

    def debug(self, event: str, **fields: Any) -> None:
        self.log(logging.DEBUG, event, **fields)

    def info(self, event: str, **fields: Any) -> None:
        self.log(logging.INFO, event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        self.log(logging.WARNING, event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        self.log(logging.ERROR, event, **fields)

    def log(self, level: int, event: str, *, exc_info: bool = False, **fields: Any) -> None:
        if level < self.least or (self.terminal and level == logging.INFO and event == "rpc" and _in_background()):
            return
        line = _line(level, event, exc_info, fields)
        _lines.put(f"{_for_people(line) if self.human else line}\n".encode(errors="backslashreplace"))


_lines = Lines(2, lambda count: log().warning("log lines dropped", lines=count))
flush = _lines.flush
"""Wait until the lines so far are written, at most a second or the seconds given."""
atexit.register(flush)


def take_standard_error() -> None:
    """From now on, turn whatever else is written to standard error, above all by gRPC's core, into log lines (`standard error`): the core quotes
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
    """Log lines for what libraries log: the logger, and where an exception came from. Their texts may hold anything, so only the first
    line of asyncio's constant texts is kept."""

    def emit(self, record: logging.LogRecord) -> None:
        said = str(record.msg).partition("\n")[0][:200] if not record.args else ""
        fields: dict[str, Any] = {"logger": record.name, "line": record.lineno}
        if record.name == "asyncio":
            fields["said"] = said
        if record.exc_info and record.exc_info[2] is not None:
            fields["error"] = getattr(record.exc_info[0], "__name__", "")
            fields["frames"] = _frames(record.exc_info[2])
        log().log(record.levelno, "library", **fields)


def _in_background() -> bool:
    """A background job of a terminal does not log successful calls, which would clutter what its user runs in the foreground."""
    with suppress(OSError):
        return os.tcgetpgrp(sys.stderr.fileno()) != os.getpgrp()
    return False


_logger: Final = Logger()


def configure_logging(level: str = "info", *, human: bool = False) -> None:
    """JSON lines on standard error, one object a line; `human` gives coloured text instead. Warnings of libraries are lines too."""
    _logger.least = logging.getLevelNamesMapping()[level.upper()]
    _logger.human = human
    _logger.terminal = sys.stderr.isatty()
    root = logging.getLogger()
    if not any(isinstance(handler, _Libraries) for handler in root.handlers):
        root.addHandler(_Libraries(logging.WARNING))


def log() -> Logger:
    """The gateway's logger."""
    return _logger
