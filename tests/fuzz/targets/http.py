"""HTTP/1.1: whatever answers, and wherever it is cut, the same response, or a violation; the same for a body's coding."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

from llm_gateway.upstream.http import h1

from tests.fuzz.engine import Target
from tests.fuzz.properties import KEY, check_same, cut


def read(pieces: list[bytes], expect_body: bool) -> dict[str, Any]:
    """What a connection would make of the answer: what arrived, and the error that ended it."""
    parser = h1.ResponseParser(expect_body=expect_body)
    error, body, shown = "", b"", ""
    try:
        for piece in pieces:
            parser.feed(piece)
            body += parser.take()
        parser.feed_eof()
    except h1.TransportError as raised:
        error, shown = type(raised).__name__, f"{raised} {raised!r}"
    assert KEY not in shown
    body += parser.take()
    if error == "ProtocolViolation":
        return {"error": error}
    assert KEY not in repr(h1.Headers(parser.fields))
    return {"error": error, "status": parser.status, "fields": parser.fields, "body": body, "complete": parser.complete}


def check(data: bytes) -> None:
    for expect_body in (True, False):
        outcomes = [read(pieces, expect_body) for pieces in cut(data[:MOST])]
        check_same(outcomes)
        kept = _kept(data[:MOST], expect_body)
        assert kept[0] or not any(kept), f"a connection is kept by where its bytes are cut: {kept}"
    headers = h1.Headers([(b"retry-after", data[:100])])
    assert headers["Retry-After"] == headers.get_all("retry-after")[0]


MOST = h1.MAX_HEAD_BYTES // 2
"""Above the bounds on what is no content, it counts in which pieces that comes."""


def _kept(data: bytes, expect_body: bool) -> list[bool]:
    """Whether the connection may carry another exchange, once the bytes have come whole, and one by one."""
    found = []
    for pieces in cut(data):
        parser = h1.ResponseParser(expect_body=expect_body)
        try:
            for piece in pieces:
                parser.feed(piece)
        except h1.ProtocolViolation:
            assert not parser.reusable
        found.append(parser.reusable)
    return found


# ---------------------------------------------------------------- codings
def decoded(coding: str, pieces: list[bytes]) -> tuple[bytes, str]:
    inflater = h1.Inflater(coding)
    found, error, steps = bytearray(), "", 0
    try:
        for piece in pieces:
            while piece or inflater.pending:
                out = inflater.decode(piece)
                assert len(out) <= h1.INFLATE_SLICE_BYTES
                found += out
                piece, steps = b"", steps + 1
        inflater.finish()
    except h1.ProtocolViolation as raised:
        error = str(raised)
    assert (
        steps
        <= len(pieces) + len(found) // h1.INFLATE_SLICE_BYTES + sum(map(len, pieces)) // h1.INFLATE_INPUT_BYTES + 2
    )
    return bytes(found), error


def check_coding(data: bytes) -> None:
    """The first byte chooses the coding."""
    coding = ("gzip", "deflate")[data[0] & 1] if data else "gzip"
    outcomes = [decoded(coding, pieces) for pieces in cut(data[1:])]
    if not any(error for _, error in outcomes):
        check_same(outcomes)
        return
    assert all(error for _, error in outcomes)
    longest = max((found for found, _ in outcomes), key=len)  # zlib keeps back what a read holds beside what is wrong
    assert all(longest.startswith(found) for found, _ in outcomes)


RESPONSES = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\nhello, world",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 401 \r\nset-cookie: a\r\nset-cookie: b\r\nx: " + KEY.encode() + b"\r\n\r\nno",
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x81\x00",
    b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n",
)
_WORDS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 304 x\r\n", b"HTTP/1.1 100 \r\n\r\n", b"\r\n", b"\n", b"\r\n\r\n", b"content-length: ", b"Content-Length: 5\r\n",
    b"transfer-encoding: ", b"chunked", b"identity", b"gzip, chunked", b"connection: ", b"close", b"keep-alive", b"upgrade", b"Upgrade: h2c\r\n",
    b"0\r\n\r\n", b"5\r\nhello\r\n", b"ffffffffffffffff", b"0x", b"+1", b" ", b"\t", b": ", b",", b";", b"\0", b"\x80", b"HTTP/1.0 ", b"HTTP/2.0 ", b"PRI * ",
)  # fmt: skip


def _coded() -> list[bytes]:
    text = b"data: {}\n\n" * 200
    raw = zlib.compressobj(wbits=-15)
    flushed = zlib.compressobj(wbits=31)
    return [
        b"\0" + gzip.compress(text, mtime=0),
        b"\0" + gzip.compress(b"", mtime=0) * 3 + gzip.compress(b"x", mtime=0),
        b"\1" + zlib.compress(text),
        b"\1" + raw.compress(text) + raw.flush(),
        b"\0" + flushed.compress(b"a") + flushed.flush(zlib.Z_SYNC_FLUSH) + flushed.compress(b"b") + flushed.flush(),
        b"\0" + gzip.compress(bytes(1 << 20), mtime=0),
        b"\0\x1f\x8b\x08\x1e\0\0\0\0\0\xff\x04\0ab\0\0name\0comment\0\0\0\x03\0\0\0\0\0\0\0\0\0",
    ]


TARGETS = (
    Target(name="http", check=check, make_seeds=lambda: RESPONSES, tokens=_WORDS),
    Target(
        name="coding",
        check=check_coding,
        make_seeds=_coded,
        tokens=(b"\x1f\x8b\x08\0", b"\x03\0", b"\0\0\xff\xff", b"\x78\x9c", b"\0", b"\1"),
    ),
)
