"""The HTTP/1.1 pieces without I/O: request rendering, response parser, content decoder."""

import gzip
import random
import weakref
import zlib

import pytest
from llm_gateway.upstream.http.h1 import (
    INFLATE_INPUT_BYTES,
    INFLATE_SLICE_BYTES,
    MAX_BARREN_BYTES,
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_RATIO,
    RATIO_FREE_BYTES,
    ConnectionBroken,
    Headers,
    Inflater,
    ProtocolViolation,
    ResponseParser,
    render_head,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"X-Name: One\r\nTransfer-Encoding: Chunked\r\n\r\n5;ext=1\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
SIZED = HEAD + b"X-Name: One\r\nContent-Length: 12\r\n\r\nhello, world"
UNSIZED = HEAD + b"X-Name: One\r\n\r\nhello, world"
INTERIM = b"HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def parse(*pieces: bytes, expect_body: bool = True) -> ResponseParser:
    parser = ResponseParser(expect_body=expect_body)
    for piece in pieces:
        parser.feed(piece)
    return parser


@pytest.mark.parametrize(
    "raw", [CHUNKED, SIZED, UNSIZED, INTERIM + CHUNKED], ids=["chunked", "sized", "unsized", "1xx"]
)
def test_response_cut_at_every_byte_parses_the_same(raw: bytes) -> None:
    """Where the network cuts a response never matters, and interim responses leave nothing behind."""
    cuts = [[raw[:i], raw[i:]] for i in range(1, len(raw))] + [[raw[i : i + 1] for i in range(len(raw))]]
    for pieces in cuts:
        parser = parse(*pieces)
        parser.feed_eof()
        assert parser.complete
        assert (parser.status, parser.fields[0], parser.take()) == (200, (b"x-name", b"One"), b"hello, world")


@pytest.mark.parametrize(
    ("raw", "reusable"),
    [
        (CHUNKED, True),
        (SIZED, True),
        (SIZED.replace(b"X-Name: One", b"Connection: close"), False),
        (SIZED.replace(b"HTTP/1.1", b"HTTP/1.0"), False),
        (SIZED + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", False),
        (CHUNKED + b"garbage", False),
    ],
    ids=["chunked", "sized", "close", "http10", "second-response", "trailing-garbage"],
)
def test_connection_is_reusable_only_after_a_clean_end(raw: bytes, reusable: bool) -> None:
    """A message the peer closes after, or one followed by bytes nobody asked for, ends the connection."""
    parser = parse(raw)
    assert (parser.complete, parser.reusable, parser.take()) == (True, reusable, b"hello, world")


def test_bytes_after_a_complete_response_spoil_the_connection() -> None:
    """A second response in a later segment is noticed as well."""
    parser = parse(SIZED, b"HTTP/1.1 200 OK\r\n")
    assert parser.complete
    assert not parser.reusable


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_status_without_body_completes_at_its_head(status: bytes) -> None:
    """204 and 304 have no body, whatever their fields say (RFC 9112, section 6.3)."""
    parser = parse(b"HTTP/1.1 " + status + b"\r\ncontent-length: 5\r\n\r\n")
    assert (parser.complete, parser.reusable, parser.take()) == (True, True, b"")


def test_head_response_completes_at_its_head() -> None:
    """The response to HEAD announces a length and sends no body."""
    parser = parse(HEAD + b"content-length: 5\r\n\r\n", expect_body=False)
    assert (parser.complete, parser.take()) == (True, b"")


def test_trailer_fields_are_not_response_fields() -> None:
    """A trailer can neither add a field to the response nor to the next one."""
    parser = parse(CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n")
    assert parser.complete
    assert b"content-encoding" not in dict(parser.fields)


@pytest.mark.parametrize("raw", [CHUNKED, SIZED], ids=["chunked", "sized"])
def test_close_before_the_end_is_never_a_clean_end(raw: bytes) -> None:
    """A framed response cut anywhere raises, and says whether anything of it had arrived."""
    for end in range(len(raw)):
        parser = parse(raw[:end]) if end else ResponseParser()
        with pytest.raises(ConnectionBroken) as caught:
            parser.feed_eof()
        assert caught.value.response_started == (end > 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        HEAD + b"bad name: 1\r\n\r\n",
        HEAD + b"name: a\0b\r\n\r\n",
        HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n",
        HEAD + b"transfer-encoding: gzip\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        HEAD + b"name: value\r\n" * (MAX_FIELDS + 1) + b"\r\n",
        HEAD + b"name: " + b"v" * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
    ids=[
        "not-http",
        "status",
        "field-name",
        "nul",
        "two-lengths",
        "negative-length",
        "length-and-chunked",
        "gzip-chunked",
        "gzip-transfer",
        "chunk-size",
        "chunk-overflow",
        "upgrade",
        "many-fields",
        "large-field",
    ],
)
def test_unacceptable_response_is_a_protocol_violation(raw: bytes) -> None:
    """Malformed framing and fields, or too many of them, raise the same error whole and byte by byte."""
    with pytest.raises(ProtocolViolation):
        parse(raw)
    with pytest.raises(ProtocolViolation):
        parse(*(raw[i : i + 1] for i in range(len(raw))))


def test_large_head_is_refused_even_if_it_comes_with_its_body() -> None:
    """The bound does not depend on how the network cut the response."""
    fields = b"".join(b"x-%d: %s\r\n" % (number, b"v" * 1000) for number in range(70))
    with pytest.raises(ProtocolViolation, match="bound"):
        parse(HEAD + fields + b"content-length: 1\r\n\r\nx")


@pytest.mark.parametrize(
    ("start", "repeat"),
    [
        (HEAD + b"name: ", b"v"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1;", b"e"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nname: ", b"v"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"name: v\r\n"),
    ],
    ids=["field", "interim", "chunk-extension", "trailer", "trailers"],
)
def test_framing_without_end_is_bounded(start: bytes, repeat: bytes) -> None:
    """Bytes that never become a body are given up after the bound on the head, not gathered for ever."""
    parser = ResponseParser()
    if start:
        parser.feed(start)

    def feed_on() -> None:
        for _ in range(200):
            parser.feed(repeat * (1024 // len(repeat)))

    with pytest.raises(ProtocolViolation, match="bound"):
        feed_on()


def test_long_stream_of_small_chunks_is_not_taken_for_framing() -> None:
    """The bound on framing starts anew with every body byte."""
    parser = parse(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(MAX_HEAD_BYTES):
        parser.feed(b"1\r\n")
        parser.feed(b"x\r\n")
    assert parser.buffered == MAX_HEAD_BYTES


def test_random_bytes_raise_nothing_but_the_transport_errors() -> None:
    """Mutated responses, whole and cut, either parse or raise ProtocolViolation or ConnectionBroken."""
    rng = random.Random(2)
    for _ in range(3000):
        raw = bytearray(rng.choice([CHUNKED, SIZED, UNSIZED, INTERIM + CHUNKED]))
        for _ in range(rng.randint(1, 6)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        cut = rng.randrange(len(raw))
        try:
            parse(bytes(raw[:cut]), bytes(raw[cut:])).feed_eof()
        except (ProtocolViolation, ConnectionBroken):
            continue


def test_finished_parser_needs_no_cycle_collector() -> None:
    """A parser is freed with its last reference; at thousands of calls a second a cycle each would cost."""

    class Watched(ResponseParser):
        __slots__ = ("__weakref__",)

    parser = Watched()
    parser.feed(SIZED)
    gone = weakref.ref(parser)
    del parser
    assert gone() is None


def test_headers_are_found_in_any_case_and_repeats_are_kept() -> None:
    """Lookup ignores case, gives the first of repeated fields, and repr shows no value."""
    headers = Headers([(b"retry-after", b" 2 "), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
    assert headers["Retry-After"] == "2"
    assert headers.get("missing") is None
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert dict(headers) == {"retry-after": "2", "set-cookie": "a=1"}
    assert len(headers) == 2
    assert "a=1" not in repr(headers)


def test_head_is_rendered_with_its_length() -> None:
    """The request line, our own fields, the caller's and the length, in this order."""
    head = render_head("POST", "/v1/chat?a=b%20c", "host: h\r\n", [("x-api-key", "k")], 3)
    assert head == b"POST /v1/chat?a=b%20c HTTP/1.1\r\nhost: h\r\nx-api-key: k\r\ncontent-length: 3\r\n\r\n"
    assert b"content-length" not in render_head("GET", "/", "", [], 0)
    assert b"content-length: 0" in render_head("POST", "/", "", [], 0)


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("POST", "/", [("x-api-key", "secret\r\nx-evil: 1")]),
        ("POST", "/", [("x-api-key", "secret\n")]),
        ("POST", "/", [("x-api-key", "secret\r")]),
        ("POST", "/", [("x-api-key", "secret\0")]),
        ("POST", "/", [("x-api-key", "secret\u2028")]),
        ("POST", "/", [("x-api-key", "sécret")]),
        ("POST", "/", [("bad name", "secret")]),
        ("POST", "/", [("name:", "secret")]),
        ("POST", "/", [("", "secret")]),
        ("POST", "/", [("Content-Length", "0")]),
        ("POST", "/", [("transfer-encoding", "chunked")]),
        ("POST", "/", [("Host", "secret")]),
        ("POST", "/secret path", []),
        ("POST", "/secret\r\nx-evil: 1", []),
        ("POST", "/secret\0", []),
        ("POST", "/secret\n", []),
        ("POST", "/sécret", []),
        ("POST", "/secret#fragment", []),
        ("POST", "http://secret/", []),
        ("POST", "", []),
        ("PO ST", "/", []),
        ("CONNECT", "/", []),
    ],
)
def test_nothing_can_be_injected_into_a_request(method: str, target: str, headers: list[tuple[str, str]]) -> None:
    """A line break, NUL, space or reserved field is refused, and the message does not repeat the value."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the type is the contract, the text only must not leak
        render_head(method, target, "", headers, 0)
    assert "cret" not in str(caught.value)


TEXT = b"the quick brown fox " * 40_000


def inflate(coding: str, *pieces: bytes) -> bytes:
    inflater = Inflater(coding)
    out = []
    for piece in pieces:
        out.append(inflater.decode(piece))
        while inflater.pending:
            out.append(inflater.decode())
    inflater.finish()
    assert all(len(part) <= INFLATE_SLICE_BYTES for part in out)
    return b"".join(out)


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("coding", "coded"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:7]) + gzip.compress(TEXT[7:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
    ],
    ids=["gzip", "x-gzip", "two-members", "zlib", "raw"],
)
def test_coded_body_decodes_in_bounded_slices(coding: str, coded: bytes) -> None:
    """Every form of gzip and deflate decodes, whole and byte by byte, and no step gives more than a slice."""
    assert inflate(coding, coded) == TEXT
    assert inflate(coding, *(coded[i : i + 1] for i in range(len(coded)))) == TEXT


def test_flushed_block_is_decoded_at_once() -> None:
    """What a streaming server flushed is not held back until more arrives."""
    compressor = zlib.compressobj(wbits=31)
    first = compressor.compress(b"data: 1\n\n") + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert Inflater("gzip").decode(first) == b"data: 1\n\n"


@pytest.mark.parametrize(
    ("coding", "coded"),
    [
        ("gzip", b"no gzip"),
        ("deflate", b"\xff\xff"),
        ("gzip", gzip.compress(TEXT)[:-9]),
        ("br", b""),
        ("gzip, gzip", b""),
    ],
    ids=["not-gzip", "not-deflate", "truncated", "brotli", "nested"],
)
def test_undecodable_body_is_a_protocol_violation(coding: str, coded: bytes) -> None:
    """Wrong, truncated, or never-offered codings raise; nothing is passed on as if it were text."""
    with pytest.raises(ProtocolViolation):
        inflate(coding, coded)


def test_empty_coded_body_is_empty() -> None:
    """A bodiless response may still carry a content-encoding field."""
    assert inflate("gzip", b"") == b""


def test_body_out_of_proportion_is_refused_as_soon_as_it_shows() -> None:
    """1.5 MB of pings that would be 600 MB are given up after the free megabyte, not decoded to the end."""
    compressor = zlib.compressobj(9, wbits=31)
    pings = b"event: ping\ndata: {}\n\n" * 40_000
    coded = b"".join(compressor.compress(pings) for _ in range(400)) + compressor.flush()
    inflater = Inflater("gzip")
    sizes = [len(inflater.decode(coded))]
    with pytest.raises(ProtocolViolation, match="100 times"):
        sizes.extend(len(inflater.decode()) for _ in range(1000))
    assert RATIO_FREE_BYTES // 2 < sum(sizes) < RATIO_FREE_BYTES + MAX_RATIO * len(sizes) * INFLATE_INPUT_BYTES
    assert len(sizes) < 40


def test_large_answer_in_proportion_is_decoded_whole() -> None:
    """A long event stream of changing words is far from the bound."""
    rng = random.Random(3)
    words = b"".join(b'data: {"delta": {"text": "w%d"}}\n\n' % rng.randrange(100_000) for _ in range(200_000))
    coded = gzip.compress(words)
    assert len(words) > 4 * RATIO_FREE_BYTES
    assert inflate("gzip", coded) == words
    assert inflate("gzip", *(coded[at : at + 3000] for at in range(0, len(coded), 3000))) == words


@pytest.mark.parametrize(
    ("start", "barren"),
    [
        (b"", gzip.compress(b"")),
        (zlib.compressobj(wbits=31).flush(zlib.Z_SYNC_FLUSH), b"\0\0\0\xff\xff"),
        (b"\x1f\x8b\x08\x08" + bytes(6), b"n" * 100),
    ],
    ids=["empty-members", "empty-blocks", "name"],
)
def test_input_without_content_is_bounded(start: bytes, barren: bytes) -> None:
    """Members, blocks and header fields that decode to nothing are given up after the bound; a few of them are read."""
    inflater = Inflater("gzip")

    def feed(times: int) -> None:
        for _ in range(times):
            assert inflater.decode(barren) == b""

    inflater.decode(start)
    feed(MAX_BARREN_BYTES // len(barren) - 10)
    with pytest.raises(ProtocolViolation, match="without content"):
        feed(20)


def test_tiny_members_take_a_step_for_each_share_of_the_input() -> None:
    """A megabyte of members of one byte each is read in bounded steps, so that others have their turn between them."""
    coded = gzip.compress(b"x") * 50_000
    inflater = Inflater("gzip")
    body, steps = inflater.decode(coded), 1
    while inflater.pending:
        body, steps = body + inflater.decode(), steps + 1
    assert body == b"x" * 50_000
    assert steps >= len(coded) // INFLATE_INPUT_BYTES
