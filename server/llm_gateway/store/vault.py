"""Secrets at rest: envelopes of AES-256-GCM. Each text has a data key of its own, which the master key wraps.

What is sealed opens under the record's own name only, so that nobody who writes to the store can put one provider's key in the place of another's.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from llm_gateway import config
from llm_gateway.store import master
from llm_gateway.store.master import MasterKey

_NONCE: Final = 12
"""Bytes of a nonce, as NIST SP 800-38D recommends; random, of a key that seals once or wraps some thousand times."""


class Sealed(Struct, frozen=True, kw_only=True):
    """A text that only the vault reads.

    master: id of the master key. data_key: nonce and wrapped key. nonce, text: what the data key has sealed.
    """

    master: str
    data_key: bytes
    nonce: bytes
    text: bytes


class VaultError(config.ConfigError):
    """A record does not open. record: its name. The message says what is the matter and what to do; never a secret."""

    def __init__(self, record: str, wrong: str, right: str) -> None:
        super().__init__([config.ConfigProblem(file="", key=record, wrong=wrong, right=right)])
        self.record = record


class Vault:
    """Seals by the current master key, and opens what that or an old one has sealed. A record is named by its place in the configuration, such as
    `providers/edge/keys/main`."""

    def __init__(self, current: MasterKey, old: Sequence[MasterKey] = ()) -> None:
        self.current = current.id
        self.old = tuple(dict.fromkeys(key.id for key in old if key.id != current.id))
        self._wrapping = {key.id: AESGCM(key.derive("wrapping")) for key in (*old, current)}
        self._fingerprints = current.derive("fingerprints")

    @classmethod
    def of(cls, settings: config.Store, env: Mapping[str, str] = os.environ) -> Vault | None:
        """With the master keys of the configuration; None where it has none. Raises ConfigError where one of them cannot be had."""
        if settings.master_key is None:
            return None
        old = (
            master.read(source, f"store.old_master_keys[{index}]", env)
            for index, source in enumerate(settings.old_master_keys)
        )
        return cls(master.read(settings.master_key, "store.master_key", env), tuple(old))

    def seal(self, record: str, text: str) -> Sealed:
        """A text under a new data key."""
        data_key, nonce = AESGCM.generate_key(256), os.urandom(_NONCE)
        sealed = AESGCM(data_key).encrypt(nonce, text.encode(), _bound("text", record))
        return Sealed(master=self.current, data_key=self._wrap(record, data_key), nonce=nonce, text=sealed)

    def open(self, record: str, sealed: Sealed) -> str:
        """The text. Raises VaultError where it was tampered with, or sealed by a master key that is not given."""
        data_key = self._unwrap(record, sealed)
        try:
            return AESGCM(data_key).decrypt(sealed.nonce, sealed.text, _bound("text", record)).decode()
        except (InvalidTag, ValueError):
            raise _tampered(record) from None

    def rewrap(self, record: str, sealed: Sealed) -> Sealed:
        """The same text, its data key wrapped by the current master key. Raises VaultError as `open` does, so that what is damaged stays as it is."""
        self.open(record, sealed)
        data_key = self._wrap(record, self._unwrap(record, sealed))
        return Sealed(master=self.current, data_key=data_key, nonce=sealed.nonce, text=sealed.text)

    def fingerprint(self, text: str) -> str:
        """12 hexadecimal digits that equal texts share, under this master key: without it nobody can try a guess."""
        return hmac.digest(self._fingerprints, text.encode(), "sha256")[:6].hex()

    def _wrap(self, record: str, data_key: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._wrapping[self.current].encrypt(nonce, data_key, _bound("data key", record))

    def _unwrap(self, record: str, sealed: Sealed) -> bytes:
        wrapping = self._wrapping.get(sealed.master)
        if wrapping is None:
            wrong = f"is sealed by the master key {sealed.master}, which is not given"
            raise VaultError(record, wrong, "list that key in store.old_master_keys, or give it as store.master_key")
        nonce, wrapped = sealed.data_key[:_NONCE], sealed.data_key[_NONCE:]
        try:
            return wrapping.decrypt(nonce, wrapped, _bound("data key", record))
        except (InvalidTag, ValueError):
            raise _tampered(record) from None


def _bound(what: str, record: str) -> bytes:
    """The associated data: format, what it is, and whose."""
    return f"llm-gateway 1\0{what}\0{record}".encode()


def _tampered(record: str) -> VaultError:
    wrong = "is not what this gateway has written: it was changed, or put in the place of another"
    return VaultError(
        record, wrong, "restore a backup of the store, or remove the key with `llm-gateway master-key forget`"
    )
