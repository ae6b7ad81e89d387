"""Messages of an AWS event stream."""

import json
import struct
import zlib
from typing import Any


def event_message(name: str, payload: dict[str, Any], kind: str = "event") -> bytes:
    """One message of an AWS event stream."""
    head = b""
    for key, value in ((f":{kind}-type", name), (":content-type", "application/json"), (":message-type", kind)):
        head += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", len(head) + len(body) + 16, len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + body
    return message + struct.pack(">I", zlib.crc32(message))
