"""The files that a configuration was read from: what stood in them then, and what stands there now.

Contents are compared, not times: a network file system tells old times for seconds, two writes may share one, and a path may lead to another
file each time (the `..data` of Kubernetes).
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Any, Final

MOST_BYTES: Final = 1 << 20
"""Of a file; of a larger one no more is looked at."""
_NO_FILE: Final = ""
"""Digest of what gives its content once only: a pipe, a terminal."""


class File(str):
    """Path of a file as it was when it was read: equal to another only if both held the same."""

    __slots__ = ("digest",)
    digest: str

    @classmethod
    def of(cls, path: str, digest: str) -> File:
        file = cls(path)
        file.digest = digest
        return file

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) and (not isinstance(other, File) or self.digest == other.digest)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def holds(self, data: bytes) -> bool:
        """Whether this is what the file held."""
        return self.digest == _digest(data)

    def __reduce__(self) -> tuple[Any, ...]:
        return File.of, (str(self), self.digest)


class Sources:
    """What one reading of the configuration has read. Another thread may look while the next one begins."""

    def __init__(self) -> None:
        self._read: dict[str, str | None] = {}
        self.reading = 1
        """Number of the reading."""

    def begin(self) -> None:
        """Another reading begins."""
        self._read = {}
        self.reading += 1

    def read(self, path: str) -> bytes:
        """The content of a file, one byte more than MOST_BYTES at most. Raises OSError."""
        first = self._read.setdefault(path, None)
        with open(path, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
            if first is None:
                self._read[path] = _digest(data) if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) else _NO_FILE
        return data

    def lacks(self, path: str) -> None:
        """That there is no such file."""
        self._read.setdefault(path, None)

    def file(self, path: str) -> File:
        """The path with what it holds now. Raises OSError."""
        self.read(path)
        return File.of(path, self._read[path] or _NO_FILE)

    def seen(self) -> dict[str, str | None]:
        """By path what was read, None where it could not be."""
        return dict(self._read)

    def now(self) -> dict[str, str | None]:
        """What `seen` would be if the same files were read now."""
        return {path: _NO_FILE if then == _NO_FILE else _look(path) for path, then in self.seen().items()}


def _look(path: str) -> str | None:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as stream:
            return _digest(stream.read(MOST_BYTES + 1))
    except OSError:
        return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
