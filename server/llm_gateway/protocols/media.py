"""Media of a request, read once: what they are, of which type, and where their bytes are."""

from __future__ import annotations

import base64
import mimetypes
from urllib.parse import unquote_to_bytes

from llmgateway.v1 import content_pb2

from llm_gateway.protocols.wire import refuse

IMAGE, AUDIO, VIDEO = content_pb2.MODALITY_IMAGE, content_pb2.MODALITY_AUDIO, content_pb2.MODALITY_VIDEO
DOCUMENT, TEXT = content_pb2.MODALITY_DOCUMENT, content_pb2.MODALITY_TEXT
MODALITIES = {"text": TEXT, "image": IMAGE, "audio": AUDIO, "video": VIDEO, "document": DOCUMENT}
"""By the words that the APIs have for them, some in capital letters."""
_BY_TYPE = {"image": IMAGE, "audio": AUDIO, "video": VIDEO, "text": DOCUMENT}
SETTINGS = ("filename", "detail", "transcript", "start_offset", "end_offset")
"""Fields of a medium beside its type and source."""


class Medium:
    """A medium as the formats see it.

    type: its media type as given, from its data URI, or from the ending of its name; "" if unknown. mime: the same in lower case,
    without parameters. source: data, uri, file_id, or "" for none; a data URI counts as data. uri: of anything but data.
    """

    __slots__ = ("_data", "_taken", "mime", "part", "source", "type", "uri")

    def __init__(self, media: content_pb2.MediaPart) -> None:
        self.part = media
        self.uri = media.uri
        self.source: str = media.WhichOneof("source") or ""
        self._data: bytes | None = None
        self._taken: tuple[str, ...] = ()
        inline = self.uri[:5].lower() == "data:"
        if inline:
            self.source = "data"
        self.type = media.mime_type or (_head(self.uri) if inline else _guessed(self.uri or media.filename))
        self.mime = self.type.partition(";")[0].strip().lower()

    @property
    def modality(self) -> content_pb2.Modality.ValueType:
        """What it is. Its type decides, then what the caller says; without either a URI is taken for an image, and a file id is unknown."""
        kind = self.mime.partition("/")[0]
        if kind in _BY_TYPE:
            return _BY_TYPE[kind]
        if self.part.modality:
            return self.part.modality
        if self.source == "uri":
            return DOCUMENT if self.mime else IMAGE
        return content_pb2.MODALITY_UNSPECIFIED if self.source == "file_id" and not self.mime else DOCUMENT

    def data(self, at: str) -> bytes:
        """The bytes of data. Raises InvalidRequest for a broken data URI, at the medium's path."""
        if self._data is None:
            self._data = _read(self.uri, at) if self.uri else self.part.data
        return self._data

    def base64(self, at: str) -> str:
        """The bytes of data in base64."""
        return base64.b64encode(self.data(at)).decode()

    def url(self) -> str:
        """A URI of any source but a file's: data stands in it."""
        if self.uri or self.source != "data":
            return self.uri
        return f"data:{self.part.mime_type or 'application/octet-stream'};base64,{base64.b64encode(self.part.data).decode()}"

    def take(self, *names: str) -> None:
        """Mark these settings as carried; the walk warns of the others that are set."""
        self._taken += names

    def left(self) -> list[str]:
        """Settings that are set and have no place."""
        media = self.part
        return [
            name
            for name in SETTINGS
            if name not in self._taken and (media.HasField(name) if name.endswith("offset") else getattr(media, name))  # type: ignore[arg-type]
        ]


def _head(uri: str) -> str:
    """The type in a data URI; text/plain where it has none (RFC 2397)."""
    return uri[5:].partition(",")[0].removesuffix(";base64").partition(";")[0] or "text/plain"


def _guessed(name: str) -> str:
    """The type that the ending of a name tells."""
    return mimetypes.guess_type(name.partition("?")[0].partition("#")[0].rpartition("/")[2])[0] or "" if name else ""


def _read(uri: str, at: str) -> bytes:
    head, comma, rest = uri[5:].partition(",")
    try:
        data = unquote_to_bytes(rest)
        if head.endswith(";base64"):
            data = base64.b64decode(data, validate=True)
    except ValueError:
        comma = ""
    if not comma:
        refuse(f"{at}.uri", "Not a valid data URI.")
    return data
