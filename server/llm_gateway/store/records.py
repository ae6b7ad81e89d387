"""What the store keeps, as plain values. None of them holds a secret in the clear."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from llm_gateway.store.vault import Sealed


class KeyRecord(Struct, frozen=True, kw_only=True):
    """A provider's key. fingerprint: tells keys apart, and nothing of them. until: when it is no longer used; None: it stays."""

    provider: str
    alias: str
    fingerprint: str
    created: datetime
    until: datetime | None = None
    sealed: Sealed

    @property
    def name(self) -> str:
        """As the contract names it; what it is sealed under."""
        return name_of(self.provider, self.alias)


def name_of(provider: str, alias: str) -> str:
    """The name of a provider's key."""
    return f"providers/{provider}/keys/{alias}"


class Entries(Struct, frozen=True, kw_only=True):
    """What a Layer holds besides keys: values of JSON in the form of the file, and never a secret."""

    providers: Mapping[str, Mapping[str, Any]] = {}
    routes: Mapping[str, Mapping[str, Any]] = {}
    enabled: Mapping[str, bool] = {}
    default_provider: str | None = None


class State(Struct, frozen=True, kw_only=True):
    """Everything that was set, after so many revisions."""

    revision: int = 0
    entries: Entries = Entries()
    keys: tuple[KeyRecord, ...] = ()


class Change(Struct, frozen=True, kw_only=True):
    """Who changed what from where. before, after: the resource as JSON, without secrets."""

    principal: str
    peer: str
    method: str
    resource: str
    before: Any = None
    after: Any = None


class Revision(Struct, frozen=True, kw_only=True):
    """A change that was made. number: from 1, without gaps."""

    number: int
    time: datetime
    change: Change
