"""Why an address does not answer: real servers of every wrong kind, the command line against each, and what it says."""

from __future__ import annotations

import datetime
import os
import socket
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import trustme
from llm_gateway.cli import connection, main
from llmgateway import TLS, Client, diagnose

from tests.support import scripted_gateway as scripted


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's own settings reaches the commands."""
    for name in list(os.environ):
        if name.startswith("LLM_"):
            monkeypatch.delenv(name)


class Authority:
    """A certificate authority, and files of what it issued."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self._folder = folder
        self.file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.file)

    def server(self, *names: str, expired: bool = False, clients: Authority | None = None) -> grpc.ServerCredentials:
        day = datetime.timedelta(days=1)
        until = datetime.datetime.now(datetime.UTC) - day if expired else None
        since = datetime.datetime.now(datetime.UTC) - 2 * day if expired else None
        leaf = self.ca.issue_cert(*(names or ("127.0.0.1", "localhost")), not_before=since, not_after=until)
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        return grpc.ssl_server_credentials(
            [(leaf.private_key_pem.bytes(), chain)],
            root_certificates=clients.ca.cert_pem.bytes() if clients else None,
            require_client_auth=clients is not None,
        )

    def client(self, name: str) -> tuple[str, str]:
        leaf = self.ca.issue_cert(f"{name}@example.org")
        cert, key = str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key")
        leaf.cert_chain_pems[0].write_to_path(cert)
        leaf.private_key_pem.write_to_path(key)
        return cert, key


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    (tmp_path / "other").mkdir()
    return Authority(tmp_path / "other")


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """A server that reads once, says this and closes; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is about to start a gateway here."""
    monkeypatch.setattr(connection, "PATIENCE", 0.0)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    """What `chat` says of its failure, on one line."""
    assert main(["chat", *arguments, "hi"]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_a_plaintext_client_at_a_tls_server_is_told_so(
    authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether or not the server asks for client certificates."""
    for credentials in (authority.server(), authority.server(clients=authority)):
        with scripted.running(credentials) as server:
            text = said(capsys, "--address", server.address)
            assert f"{server.address} speaks TLS, and it was called in plaintext; use --tls" in text


def test_a_tls_client_at_a_plaintext_server_is_told_so(
    authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """With default authorities, and with one of its own."""
    with scripted.running() as server:
        for flags in (["--tls"], ["--ca-file", authority.file]):
            text = said(capsys, "--address", server.address, *flags)
            assert f"{server.address} speaks plaintext, and it was called with TLS; leave out --tls" in text


def test_an_unknown_authority_is_named(
    authority: Authority, other: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default ones do not know it, and neither does another of our own."""
    with scripted.running(authority.server()) as server:
        for flags in (["--tls"], ["--ca-file", other.file]):
            text = said(capsys, "--address", server.address, *flags)
            assert (
                "comes from an authority that is not trusted here; give that authority's certificate with --ca-file"
                in text
            )


def test_an_expired_certificate_is_named(authority: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the server."""
    with scripted.running(authority.server(expired=True)) as server:
        text = said(capsys, "--address", server.address, "--ca-file", authority.file)
        assert f"the certificate of {server.address} has expired; have it renewed" in text


def test_a_certificate_for_another_name_is_named(authority: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    """An address and a host name."""
    with scripted.running(authority.server("gateway.example")) as server:
        for host in ("127.0.0.1", "localhost"):
            where = server.address.replace("127.0.0.1", host)
            text = said(capsys, "--address", where, "--ca-file", authority.file)
            assert f"the certificate of {where} is not for the name {host}; call it by a name" in text


def test_a_missing_client_certificate_is_named_and_so_is_a_rejected_one(
    authority: Authority, other: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """mTLS; with the right one the call goes through."""
    with scripted.running(authority.server(clients=authority)) as server:
        flags = ("--address", server.address, "--ca-file", authority.file)
        text = said(capsys, *flags)
        assert (
            "asks for a client certificate (mTLS), and none was given; give one with --cert-file and --key-file" in text
        )
        cert, key = other.client("stranger")
        text = said(capsys, *flags, "--cert-file", cert, "--key-file", key)
        assert "does not accept this client certificate; it must come from an authority" in text
        cert, key = authority.client("friend")
        assert main(["chat", *flags, "--cert-file", cert, "--key-file", key, "hi"]) == 0
        assert diagnose(server.address, TLS(ca_file=authority.file, cert_file=cert, key_file=key)) is None


def test_nothing_listening_is_told_from_a_wrong_port_and_a_wrong_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each with what to do; an HTTP/1 server is named as one."""
    with socket.socket() as bound:  # so that nobody else listens there meanwhile
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        text = said(capsys, "--address", f"127.0.0.1:{port}")
    assert f"nothing listens at 127.0.0.1:{port}; start one with `llm-gateway serve`" in text
    text = said(capsys, "--address", f"unix:{tmp_path}/absent")
    assert f"nothing listens at {tmp_path}/absent; start one" in text
    with saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as address:
        for flags in ([], ["--tls"]):
            text = said(capsys, "--address", address, *flags)
            assert f"what listens at {address} is no gRPC server: it is an HTTP/1 server; check the port" in text
    with saying(b"SSH-2.0-x\r\n") as address:
        assert "is no gRPC server: it does not speak HTTP/2; check the port" in said(capsys, "--address", address)
    text = said(capsys, "--address", "gateway.invalid:50051", "--timeout", "20")
    assert "the host name gateway.invalid cannot be resolved; check the host" in text
    text = said(capsys, "--address", "127.0.0.1")
    assert "127.0.0.1 names no port, so gRPC tried 127.0.0.1:443" in text
    assert "write --address host:port" in text


@pytest.mark.parametrize("tls", [True, False])
def test_a_server_that_never_speaks_is_silent(tls: bool) -> None:
    """It takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = diagnose(f"127.0.0.1:{listener.getsockname()[1]}", tls, timeout=0.2)
    assert found is not None
    assert found.kind == "silent"


def test_another_grpc_server_is_no_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    """It has no such method."""
    with futures.ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            assert "is no LLMGateway" in said(capsys, "--address", f"127.0.0.1:{port}")
        finally:
            server.stop(0).wait()


@pytest.mark.parametrize(
    ("address", "right"),
    [
        ("http://127.0.0.1:50051", "write 127.0.0.1:50051\n"),
        ("https://gateway.example/v1", "write gateway.example:50051 and --tls\n"),
        ("grpc://gateway.example:443", "write gateway.example:443\n"),
        ("grpcs://[::1]:7", "write [::1]:7 and --tls\n"),
        ("50051", "write host:port, such as 127.0.0.1:50051\n"),
        (":7000", "write host:port, such as 127.0.0.1:7000\n"),
        ("localhost:", "write localhost:50051, say\n"),
        ("localhost:5o051", "write localhost:50051, say\n"),
        ("localhost:99999", "write localhost:50051, say\n"),
        ("localhost:50051/v1", "write localhost:50051\n"),
    ],
)
def test_an_address_that_is_none_is_refused_with_what_to_write(
    address: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is called; the Python client says the same in its own words."""
    text = said(capsys, "--address", address, code=2)
    assert text.startswith(f"error: the address {address} ")
    assert text.endswith(right)
    with pytest.raises(ValueError, match="the address"):
        Client(address)
