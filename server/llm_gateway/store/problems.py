"""Why the store cannot do what it was asked, in words that hold neither secrets nor SQL."""

from __future__ import annotations

from typing import Final


class Stale(Exception):
    """Somebody else's change was faster; read the state again."""


class StoreUnavailable(Exception):
    """The store cannot be reached now. reason: ends a sentence that begins with the store: `is locked by another process`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the store {reason}")
        self.reason = reason


class WrongSchema(StoreUnavailable):
    """The store is there, but another release of the gateway belongs to it. Nothing but an operator heals that."""


_CODES: Final = {
    "28": "refuses the user or the password of store.url",
    "3D000": "has no database of the name in store.url",
    "25006": "is read-only there: store.url names a standby",
    "42501": "grants too little to the user of store.url",
    "42P01": "has lost tables",
    "53100": "has no disk space left",
    "53300": "has no connection left: PostgreSQL's max_connections are in use",
    "57014": "did not answer in time",
    "57P": "is being started or stopped",
    "55P03": "is locked by another process",
}
"""By SQLSTATE, or its beginning."""
_WORDS: Final = {
    "password authentication failed": _CODES["28"],
    "no password supplied": _CODES["28"],
    "no pg_hba.conf entry": "lets no such user in from here (pg_hba.conf)",
    "role": _CODES["28"],
    "does not exist": _CODES["3D000"],
    "starting up": _CODES["57P"],
    "shutting down": _CODES["57P"],
    "recovery mode": _CODES["57P"],
    "too many clients": _CODES["53300"],
    "connection slots": _CODES["53300"],
    "resolve host": "cannot be reached: the host of store.url is unknown",
    "translate host": "cannot be reached: the host of store.url is unknown",
    "refused": "cannot be reached: the connection was refused",
    "timeout": "cannot be reached: it did not answer in time",
    "timed out": "cannot be reached: it did not answer in time",
    "invalid connection option": "cannot be reached: store.url has an option that PostgreSQL's driver does not know",
    "certificate": "cannot be reached: its certificate is not trusted",
    "SSL": "cannot be reached: TLS failed",
}
"""By what libpq says when there is no connection yet, which has no SQLSTATE."""
_NAMES: Final = {
    "SQLITE_BUSY": "is locked by another process",
    "SQLITE_LOCKED": "is locked by another process",
    "SQLITE_FULL": "has no disk space left",
    "SQLITE_READONLY": "may not be written",
    "SQLITE_CANTOPEN": "is not there, or may not be opened",
    "SQLITE_NOTADB": "is no database of SQLite",
    "SQLITE_CORRUPT": "is damaged: restore a backup",
    "SQLITE_IOERR": "cannot be read or written: the disk failed",
}


def reason(error: BaseException | None) -> str:
    """What an error of a driver, or of the file system, means for the store."""
    if isinstance(error, OSError):
        return f"cannot be opened: {error.strerror}"
    if name := getattr(error, "sqlite_errorname", None):
        return next((told for begin, told in _NAMES.items() if name.startswith(begin)), "cannot be used")
    if code := getattr(error, "sqlstate", None):
        told = next((told for begin, told in _CODES.items() if code.startswith(begin)), None)
        return told or f"failed (SQLSTATE {code})"
    text = str(error)
    return next((told for part, told in _WORDS.items() if part in text), "cannot be reached: the connection broke")
