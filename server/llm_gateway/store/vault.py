"""Keys at rest."""

from __future__ import annotations

from msgspec import Struct


class Sealed(Struct, frozen=True, kw_only=True):
    """A secret that only a master key opens. master: id of that key. data_key: the record's own key, wrapped by it, with its nonce before it.
    nonce, text: of the secret under the record's key."""

    master: str
    data_key: bytes
    nonce: bytes
    text: bytes
