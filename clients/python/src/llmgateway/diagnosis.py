"""Why an address does not answer: gRPC says UNAVAILABLE and hides the cause, so one look through a plain socket finds it."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Literal, NamedTuple

from llmgateway.channel import TLS

Kind = Literal[
    "no-port",
    "unknown-host",
    "refused",
    "silent",
    "unreachable",
    "speaks-tls",
    "speaks-plaintext",
    "not-grpc",
    "unknown-authority",
    "expired",
    "wrong-name",
    "untrusted",
    "wants-certificate",
    "rejects-certificate",
]

DEFAULT_PORT = 443
"""What gRPC takes where an address names no port."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""A client's connection preface (RFC 9113, 3.4): the magic text and an empty SETTINGS frame."""
_SETTINGS = 4
_TLS_ALERT = 0x15
# X.509 verification results of OpenSSL (x509_vfy.h).
_EXPIRED = {10}
_WRONG_NAME = {62, 64}
_UNKNOWN_AUTHORITY = {2, 18, 19, 20, 21, 27}


class Diagnosis(NamedTuple):
    """kind: for programs. cause: a sentence for people, without a full stop; it holds the address and nothing secret."""

    kind: Kind
    cause: str


def diagnose(address: str, tls: bool | TLS = False, *, timeout: float = 2.0) -> Diagnosis | None:
    """Connect once and say what is wrong; None where a gRPC server answers, or where it cannot be told.

    address: host:port, or unix:/path. tls: as for Client. timeout: seconds for each step. Nothing of a call is sent.
    """
    try:
        where = _Address.of(address)
    except ValueError:
        return None  # several addresses, or a resolver of its own
    found = _connected(where, tls, timeout)
    if found is not None and not where.port_given and found.kind != "unknown-host":
        return Diagnosis("no-port", f"{address} names no port, so gRPC tried {where}: {found.cause}")
    return found


class _Address(NamedTuple):
    host: str
    port: int
    port_given: bool = True
    path: str = ""

    def __str__(self) -> str:
        return self.path or (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")

    @classmethod
    def of(cls, target: str) -> _Address:
        """Where a gRPC target leads. Raises ValueError for what a plain socket cannot follow."""
        scheme, colon, rest = target.partition(":")
        if colon and scheme == "unix":
            return cls("", 0, path=rest.removeprefix("//"))
        if colon and scheme == "dns":
            target = rest.removeprefix("//").rpartition("/")[2] if rest.startswith("//") else rest
        elif colon and scheme in {"ipv4", "ipv6"}:
            target = rest
        if target.startswith("["):
            host, _, port = target[1:].partition("]")
            port = port.removeprefix(":")
        else:
            host, _, port = target.rpartition(":") if target.count(":") == 1 else (target, "", "")
        return cls(host, int(port) if port else DEFAULT_PORT, bool(port))

    def connect(self, timeout: float) -> socket.socket:
        if not self.path:
            return socket.create_connection((self.host, self.port), timeout)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(timeout)
            connection.connect(self.path)
        except OSError:
            connection.close()
            raise
        return connection


def _connected(where: _Address, tls: bool | TLS, timeout: float) -> Diagnosis | None:
    try:
        return _over_tls(where, tls, timeout) if tls else _in_plaintext(where, timeout)
    except (ConnectionRefusedError, FileNotFoundError):
        return Diagnosis("refused", f"nothing listens at {where}")
    except socket.gaierror:
        return Diagnosis("unknown-host", f"the host name {where.host} cannot be resolved")
    except TimeoutError:
        return Diagnosis("silent", f"{where} does not answer within {timeout:g} s")
    except OSError as error:
        return Diagnosis("unreachable", f"{where} cannot be reached: {error.strerror or type(error).__name__}")


def _in_plaintext(where: _Address, timeout: float) -> Diagnosis | None:
    answer = _answer(where, timeout)
    if _is_http2(answer):
        return None
    if not _is_http1(answer) and _handshakes(where, timeout):
        return Diagnosis("speaks-tls", f"{where} speaks TLS, and it was called in plaintext")
    return _no_grpc(where, answer)


def _over_tls(where: _Address, tls: bool | TLS, timeout: float) -> Diagnosis | None:
    files = tls if isinstance(tls, TLS) else TLS()
    try:
        context = _context(files)
    except OSError:
        return None  # unreadable files are the client's own error
    with where.connect(timeout) as connection:
        try:
            secured = context.wrap_socket(connection, server_hostname=where.host or "localhost")
        except ssl.SSLCertVerificationError as error:
            return _untrusted(where, error)
        except (ssl.SSLError, ConnectionError) as error:
            if _is_alert(error):
                return _refused_certificate(where, files)
            answer = _answer(where, timeout)
            if _is_http2(answer):
                return Diagnosis("speaks-plaintext", f"{where} speaks plaintext, and it was called with TLS")
            return _no_grpc(where, answer)
        with secured:
            if secured.selected_alpn_protocol() != "h2":
                return Diagnosis("not-grpc", f"{where} speaks TLS, but not HTTP/2, which gRPC needs")
            try:
                secured.sendall(_PREFACE)
                answer = secured.recv(64)
            except (ssl.SSLError, ConnectionError):
                answer = b""
    # In TLS 1.3 a server asks for a certificate in the handshake and refuses after it.
    return None if _is_http2(answer) else _no_grpc(where, answer) if answer else _refused_certificate(where, files)


def _context(files: TLS) -> ssl.SSLContext:
    roots = files.ca_file or os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH") or None
    context = ssl.create_default_context(cafile=roots)
    context.set_alpn_protocols(["h2"])
    if files.cert_file is not None:
        context.load_cert_chain(files.cert_file, files.key_file)
    return context


def _untrusted(where: _Address, error: ssl.SSLCertVerificationError) -> Diagnosis:
    if error.verify_code in _EXPIRED:
        return Diagnosis("expired", f"the certificate of {where} has expired")
    if error.verify_code in _WRONG_NAME:
        return Diagnosis("wrong-name", f"the certificate of {where} is not for the name {where.host}")
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return Diagnosis(
            "unknown-authority", f"the certificate of {where} comes from an authority that is not trusted here"
        )
    return Diagnosis("untrusted", f"the certificate of {where} is not accepted: {error.verify_message}")


def _refused_certificate(where: _Address, files: TLS) -> Diagnosis:
    if files.cert_file is not None:
        return Diagnosis("rejects-certificate", f"{where} does not accept this client certificate")
    return Diagnosis("wants-certificate", f"{where} asks for a client certificate (mTLS), and none was given")


def _no_grpc(where: _Address, answer: bytes) -> Diagnosis:
    what = "it is an HTTP/1 server" if _is_http1(answer) else "it does not speak HTTP/2"
    return Diagnosis("not-grpc", f"what listens at {where} is no gRPC server: {what}")


def _answer(where: _Address, timeout: float) -> bytes:
    """The first bytes that a server says to an HTTP/2 client in plaintext; none where it closes."""
    with where.connect(timeout) as connection:
        try:
            connection.sendall(_PREFACE)
            return connection.recv(64)
        except ConnectionError:
            return b""


def _handshakes(where: _Address, timeout: float) -> bool:
    """Whether a server speaks TLS, whatever it thinks of us."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent, and nothing believed
    context.set_alpn_protocols(["h2", "http/1.1"])
    with where.connect(timeout) as connection:
        try:
            context.wrap_socket(connection).close()
        except (ssl.SSLError, ConnectionError, TimeoutError) as error:
            return _is_alert(error)
    return True


def _is_alert(error: Exception) -> bool:
    """Whether the other side ended the handshake in the words of TLS."""
    return "ALERT" in (getattr(error, "reason", None) or "")


def _is_http2(answer: bytes) -> bool:
    return len(answer) >= 4 and answer[3] == _SETTINGS and answer[0] != _TLS_ALERT


def _is_http1(answer: bytes) -> bool:
    return answer.startswith(b"HTTP/1")
