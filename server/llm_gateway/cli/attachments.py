"""Files that go along with a message: text as text, images, audio, video and PDF as media."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Sequence
from pathlib import Path

from llmgateway.v1 import content_pb2

from llm_gateway.cli import UsageError

_SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
"""How files begin, for those whose name says nothing or something else. WebP and WAV share a beginning."""
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


def read(paths: Iterable[str]) -> list[content_pb2.Part]:
    """The files as parts of a message, in their order. Raises UsageError for one that cannot be read or that no model could take."""
    return [_part(Path(path)) for path in paths]


def turn(message: str, attached: Sequence[content_pb2.Part]) -> str | content_pb2.Message:
    """A turn of the user: the words, then the files; texts are one part."""
    texts = [message, *(part.text.text for part in attached if part.HasField("text"))]
    media = [part for part in attached if part.HasField("media")]
    text = "\n\n".join(filter(None, texts))
    if not media:
        return text
    parts = [*([content_pb2.Part(text=content_pb2.TextPart(text=text))] if text else []), *media]
    return content_pb2.Message(role=content_pb2.ROLE_USER, parts=parts)


def _part(path: Path) -> content_pb2.Part:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--file {path} cannot be read: {error.strerror}") from None
    if not data.strip():
        raise UsageError(f"--file {path} is empty")
    kind = _signed(data)
    if not kind and b"\0" not in data:
        try:
            return content_pb2.Part(text=content_pb2.TextPart(text=data.decode("utf-8-sig").strip()))
        except UnicodeDecodeError:
            pass
    kind = kind or mimetypes.guess_type(path.name)[0] or ""
    if not kind.startswith(("image/", "audio/", "video/")) and kind != "application/pdf":
        raise UsageError(f"--file {path} is neither UTF-8 text nor an image, audio, video or PDF")
    return content_pb2.Part(media=content_pb2.MediaPart(mime_type=kind, data=data, filename=path.name))


def _signed(data: bytes) -> str:
    if data.startswith(b"RIFF"):
        return _RIFF.get(data[8:12], "")
    return next((kind for start, kind in _SIGNATURES if data.startswith(start)), "")
