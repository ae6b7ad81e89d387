"""The master key, which seals what the store keeps secret: from a file, an environment variable, or what a command prints.

It is never in the store. Its text is 32 random bytes in base64url or hexadecimal digits, on one line.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import secrets
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NoReturn

from llm_gateway.config import ConfigError, ConfigProblem, MasterKeySource

BYTES: Final = 32
COMMAND_TIMEOUT: Final = 10.0
"""Seconds that a command may take to print the key."""
_MOST: Final = 4096
"""Bytes of its text, blanks included."""
_NEW = "make one with `llm-gateway master-key new FILE`"


class MasterKey:
    """32 bytes that only `derive` uses: they are in no repr, message or pickle.

    id: says which master key it is, and nothing else about it; records carry it.
    """

    __slots__ = ("_key", "id")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.id = self.derive("id")[:8].hex()

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose; of another purpose's key it tells nothing (HMAC-SHA256 as in RFC 5869, section 2.3)."""
        return hmac.digest(self._key, f"llm-gateway {purpose}\x01".encode(), "sha256")

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a MasterKey is not pickled")


def new() -> str:
    """The text of a new master key."""
    return base64.urlsafe_b64encode(secrets.token_bytes(BYTES)).decode().rstrip("=")


def write(path: str, text: str) -> MasterKey:
    """A file of mode 0600 with the key, on the disk when this returns. Raises OSError, FileExistsError where there is one already."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w") as stream:
        stream.write(f"{text}\n")
        stream.flush()
        os.fsync(descriptor)
    return from_file(path, "")


def read(source: MasterKeySource, at: str, env: Mapping[str, str] = os.environ) -> MasterKey:
    """The key of a setting. at: the setting's path, for messages. Raises ConfigError."""
    if source.file is not None:
        return from_file(source.file, f"{at}.file")
    if source.env is not None:
        return from_variable(source.env, env, f"{at}.env")
    return from_command(source.command, f"{at}.command")


def from_file(path: str, at: str) -> MasterKey:
    """The key in a file that nobody else can read. at: the setting that names it. Raises ConfigError.

    The group may read a file of root's, as where Kubernetes mounts a Secret for a container that does not run as root.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:  # a pipe would block
            status = os.fstat(stream.fileno())
            mode = stat.S_IMODE(status.st_mode)
            if not stat.S_ISREG(status.st_mode):
                raise _wrong(at, f"{path} is not a file", "give the path of the file that holds the key")
            roots = status.st_uid == 0 and os.geteuid() != 0
            if mode & (0o037 if roots else 0o077):
                shown = f"{path} may be read or written by others (mode {mode:04o})"
                raise _wrong(at, shown, f"chmod 600 {path}, or mount it with mode 0400")
            data = stream.read(_MOST + 1)
    except OSError as error:
        raise _wrong(at, f"{path} cannot be read: {error.strerror}", _NEW) from None
    return _key(data, at, f"{path} ")


def from_variable(name: str, env: Mapping[str, str], at: str) -> MasterKey:
    """The key in an environment variable. Raises ConfigError."""
    if not env.get(name, "").strip():
        raise _wrong(at, f"the variable {name} is not set", f"set it to the master key; {_NEW}")
    return _key(env[name].encode("utf-8", "surrogateescape"), at, f"the variable {name} ")


def from_command(command: Sequence[str], at: str, timeout: float = COMMAND_TIMEOUT) -> MasterKey:
    """The key that a command prints, which no shell reads and whose standard error nobody sees. Raises ConfigError."""
    name = command[0]
    try:
        data, code = _output(command, timeout)
    except OSError as error:
        raise _wrong(
            at, f"{name} cannot be run: {error.strerror}", "give the command as a list, program first"
        ) from None
    except subprocess.TimeoutExpired:
        raise _wrong(at, f"{name} has not ended within {timeout:g}s", "try it by hand: it gets no input") from None
    if code:
        ended = f"exited with code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
        raise _wrong(at, f"{name} {ended}", "try it by hand: what it says on standard error is not shown here")
    return _key(data, at, f"what {name} prints ")


def _output(command: Sequence[str], timeout: float) -> tuple[bytes, int]:
    """Of a command, with its exit code; of more than _MOST bytes no more is read. Raises OSError, TimeoutExpired."""
    end = time.monotonic() + timeout
    data = b""
    process = subprocess.Popen(  # noqa: S603 - the operator's own command, run by no shell
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with selectors.DefaultSelector() as selector, process.stdout as stream:  # type: ignore[union-attr]
        selector.register(stream, selectors.EVENT_READ)
        try:
            while len(data) <= _MOST:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise subprocess.TimeoutExpired(command[0], timeout)
                if not (chunk := os.read(stream.fileno(), _MOST)):
                    return data, process.wait(max(0.0, end - time.monotonic()))
                data += chunk
            return data, 0
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _key(data: bytes, at: str, where: str) -> MasterKey:
    text = data.strip().removeprefix(b"\xef\xbb\xbf").decode("ascii", "replace")
    key = b""
    with suppress(binascii.Error):
        if re.fullmatch(r"[0-9A-Fa-f]{64}", text):
            key = bytes.fromhex(text)
        elif re.fullmatch(r"[\w+/-]{43}=?", text, re.ASCII):
            key = base64.urlsafe_b64decode(text.translate({43: 45, 47: 95}).rstrip("=") + "=")
    if len(key) != BYTES:
        right = f"it is {BYTES} bytes in base64url or hexadecimal digits, on one line; {_NEW}"
        raise _wrong(at, f"{where}is no master key", right)
    if len(set(key)) < BYTES // 2:  # of random bytes not once in 10²⁰
        raise _wrong(at, f"{where}is no random key", _NEW)
    return MasterKey(key)


def _wrong(at: str, wrong: str, right: str) -> ConfigError:
    return ConfigError([ConfigProblem(file="", key=at, wrong=wrong, right=right)])
