"""Bytes to frames. A frame is (event name, payload); the name is "" where the framing has none.

SSE and NDJSON cut at CR, LF and CRLF only, as their specifications say: U+2028, U+0085 and the like are content.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from llm_gateway.errors import ProviderUnavailable, ResponseInvalid
from llm_gateway.protocols import json

Frame = tuple[str, bytes]
MAX_FRAME = 16 << 20


class Framing(Protocol):
    def feed(self, chunk: bytes) -> list[Frame]:
        """Frames that are complete now. Raises ResponseInvalid for a frame larger than MAX_FRAME bytes. Complete frames before a fault
        are returned, and the next feed or the close raises: nothing complete is lost."""

    def close(self) -> list[Frame]:
        """Frames that the end of the body makes whole."""


class _Lines:
    """Cuts bytes into lines, keeping an unfinished one; a CR at the end of a chunk waits for its LF."""

    __slots__ = ("_rest", "_size")

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        if b"\n" not in chunk and b"\r" not in chunk and not (self._rest and self._rest[-1].endswith(b"\r")):
            self._rest.append(chunk)
            self._size += len(chunk)
            if self._size > MAX_FRAME:
                raise ResponseInvalid(f"A line of the stream is longer than {MAX_FRAME} bytes.")
            return []
        data = b"".join((*self._rest, chunk)) if self._rest else chunk
        held = b""
        if data.endswith(b"\r"):
            data, held = data[:-1], b"\r"
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest = lines.pop() + held
        self._rest = [rest] if rest else []
        self._size = len(rest)
        return lines

    def close(self) -> bytes:
        rest, self._rest = b"".join(self._rest), []
        return rest.removesuffix(b"\r")


class Sse:
    """Server-sent events (WHATWG HTML, section 9.2), with the habits of LLM servers: a last event without its blank line counts, and so
    does an `error:` field (llama.cpp). Lines that are no field are passed on as data if they begin a JSON value (Gemini sends errors
    that way)."""

    __slots__ = ("_bare", "_data", "_event", "_lines", "_size", "_start")

    def __init__(self) -> None:
        self._lines = _Lines()
        self._event = ""
        self._data: list[bytes] = []
        self._bare: list[bytes] = []
        self._size = 0
        self._start = True

    def feed(self, chunk: bytes) -> list[Frame]:
        frames: list[Frame] = []
        for line in self._lines.feed(chunk):
            self._line(line, frames)
        return frames

    def close(self) -> list[Frame]:
        frames: list[Frame] = []
        rest = self._lines.close()
        if rest:
            self._line(rest, frames)
        self._line(b"", frames)
        if self._bare:
            frames.append(("", b"\n".join(self._bare)))
            self._bare = []
        return frames

    def _line(self, line: bytes, frames: list[Frame]) -> None:
        if self._start:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._start = False
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._size += len(value)
            if self._size > MAX_FRAME and not frames:
                raise ResponseInvalid(f"An event of the stream is larger than {MAX_FRAME} bytes.")
            self._data.append(value)
        elif not line:
            if self._data:
                frames.append((self._event, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                self._data = []
                self._size = 0
            self._event = ""
        elif line.startswith(b"event:"):
            self._event = line[6:].strip().decode("utf-8", "replace")
        elif line.startswith(b"error:"):
            frames.append(("error", line[6:].strip()))
        elif self._bare or line.lstrip()[:1] in (b"{", b"["):
            self._bare.append(line)
            self._size += len(line)
            if self._size > MAX_FRAME and not frames:
                raise ResponseInvalid(f"An event of the stream is larger than {MAX_FRAME} bytes.")


class Ndjson:
    """One JSON value a line; blank lines are ignored."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines = _Lines()

    def feed(self, chunk: bytes) -> list[Frame]:
        return [("", line) for line in self._lines.feed(chunk) if line.strip()]

    def close(self) -> list[Frame]:
        rest = self._lines.close()
        return [("", rest)] if rest.strip() else []


class EventStream:
    """application/vnd.amazon.eventstream (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html; Smithy's
    Amazon Event Stream specification). A frame's name is its `:event-type`, or its `:exception-type`, or "error" for an error without
    a modelled type, whose payload is then made from its headers: {"code", "message"}. Both checksums of a message are checked.
    """

    __slots__ = ("_kept", "_names", "_size", "_wanted")

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._size = 0
        self._wanted = _PRELUDE.size
        """Bytes that must be buffered before there is more to read: tiny reads of a large message stay linear."""
        self._names: dict[bytes, Frame] = {}

    def feed(self, chunk: bytes) -> list[Frame]:
        """Frames that are whole now. Raises ProviderUnavailable for a message that was damaged on its way."""
        self._kept.append(chunk)
        self._size += len(chunk)
        if self._size < self._wanted:
            return []
        data = b"".join(self._kept) if len(self._kept) > 1 else chunk
        frames: list[Frame] = []
        at = 0
        self._wanted = _PRELUDE.size
        while len(data) - at >= _PRELUDE.size:
            size, headers, check = _PRELUDE.unpack_from(data, at)
            end = at + size
            damaged = zlib.crc32(data[at : at + 8]) != check or size < headers + _PRELUDE.size + 4
            if not damaged and size <= MAX_FRAME:
                if len(data) < end:
                    self._wanted = size
                    break
                damaged = zlib.crc32(data[at : end - 4]) != int.from_bytes(data[end - 4 : end])
            if damaged or size > MAX_FRAME:
                if frames:
                    break
                if damaged:
                    raise ProviderUnavailable("A message of the event stream is damaged.")
                raise ResponseInvalid(f"An event of the stream is larger than {MAX_FRAME} bytes.")
            body = at + _PRELUDE.size + headers
            try:
                name, payload = self._name(data[at + _PRELUDE.size : body])
            except ResponseInvalid:
                if frames:
                    break
                raise
            frames.append((name, payload or data[body : end - 4]))
            at = end
        self._kept = [data[at:]] if at < len(data) else []
        self._size = len(data) - at
        return frames

    def close(self) -> list[Frame]:
        """None: an unfinished message at the end of the body is a cut stream."""
        frames = self.feed(b"")
        self._kept, self._size = [], 0
        return frames

    def _name(self, headers: bytes) -> Frame:
        """Name, and payload if the headers hold it. Messages of one kind have the same headers, so they are parsed once."""
        found = self._names.get(headers)
        if found is None:
            try:
                values = _event_headers(headers)
            except (IndexError, KeyError, struct.error):
                raise ResponseInvalid("A message of the event stream has headers out of format.") from None
            if values.get(":message-type") == "error":
                told = {"code": values.get(":error-code", ""), "message": values.get(":error-message", "")}
                return "error", json.encode(told)
            found = (values.get(":exception-type") or values.get(":event-type", ""), b"")
            if len(self._names) < 32:
                self._names[headers] = found
        return found


def _event_headers(data: bytes) -> dict[str, str]:
    """The headers that are strings; others are skipped by their size."""
    values: dict[str, str] = {}
    at = 0
    while at < len(data):
        after = at + 1 + data[at]
        name, kind = data[at + 1 : after].decode("utf-8", "replace"), data[after]
        at = after + 1
        if kind in (6, 7):
            (size,) = struct.unpack_from(">H", data, at)
            at += 2
            if kind == 7:
                values[name] = data[at : at + size].decode("utf-8", "replace")
            at += size
        else:
            at += _HEADER_SIZES[kind]
    return values


_PRELUDE = struct.Struct(">III")
_HEADER_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}

_BY_NAME: Mapping[str, Callable[[], Framing]] = {
    "sse": Sse,
    "ndjson": Ndjson,
    "eventstream": EventStream,
}


def of(kind: str) -> Framing:
    """The framing that a wire format names: sse, ndjson or eventstream."""
    return _BY_NAME[kind]()
