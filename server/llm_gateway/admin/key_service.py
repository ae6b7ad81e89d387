"""ProviderKeyService: the keys of providers that were set at run time."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from llmgateway.admin.v1 import key_pb2
from msgspec.structs import replace

from llm_gateway import durations
from llm_gateway.admin import resources
from llm_gateway.admin.gateway import Administered
from llm_gateway.admin.pages import FIRST_KEY, new_name, page
from llm_gateway.config.reading import join
from llm_gateway.config.values import NAME
from llm_gateway.errors import InvalidRequest, ResourceExists, ResourceNotFound
from llm_gateway.rpc.chain import Rpc

if TYPE_CHECKING:
    from llm_gateway.admin.registry import Done, Make, Registry
    from llm_gateway.store.records import KeyRecord, State

LONGEST_OVERLAP = 7 * 24 * 3600.0
"""Seconds. A key that is to be gone later than that is no rotation."""


class ProviderKeyService:
    """llmgateway.admin.v1.ProviderKeyService. registry: None where the configuration has no store."""

    def __init__(self, gateway: Administered, registry: Registry | None = None) -> None:
        self._gateway = gateway
        self._registry = registry

    async def AddProviderKey(  # noqa: N802 - the contract's name
        self, request: key_pb2.AddProviderKeyRequest, rpc: Rpc
    ) -> key_pb2.AddProviderKeyResponse:
        registry = resources.needed(self._registry)
        provider = self._named(request.parent, "parent")
        alias = new_name("key.key_id", request.key.key_id or FIRST_KEY)
        key = registry.sealed(provider, alias, request.key.secret, "key.secret")

        def make(state: State) -> State:
            if _find(state, provider, alias) is not None:
                resource = f"providers/{provider}/keys/{alias}"
                told = f"{resource} is there already; rotate it, or give the new key another key_id."
                raise ResourceExists(told, resource=resource)
            return replace(state, keys=(*state.keys, key))

        await self._change(rpc, (provider, alias), make, "key.secret", validate_only=request.validate_only)
        return key_pb2.AddProviderKeyResponse(key=_shown(key))

    async def ListProviderKeys(  # noqa: N802 - the contract's name
        self, request: key_pb2.ListProviderKeysRequest, rpc: Rpc
    ) -> key_pb2.ListProviderKeysResponse:
        provider = self._named(request.parent, "parent")
        keys = self._registry.in_force.keys if self._registry is not None else ()
        found = {key.alias: key for key in keys if key.provider == provider}
        names, following = page(found, request.page_size, request.page_token)
        return key_pb2.ListProviderKeysResponse(keys=[_shown(found[name]) for name in names], next_page_token=following)

    async def RotateProviderKey(  # noqa: N802 - the contract's name
        self, request: key_pb2.RotateProviderKeyRequest, rpc: Rpc
    ) -> key_pb2.RotateProviderKeyResponse:
        registry = resources.needed(self._registry)
        provider, alias = self._key_named(request.name)
        overlap = durations.to_seconds(request.overlap)
        if not 0 <= overlap <= LONGEST_OVERLAP:
            right = f"Give 0 to {LONGEST_OVERLAP / 24 / 3600:g} days."
            raise InvalidRequest.of("overlap", right, "OUT_OF_RANGE")
        new = registry.sealed(provider, alias, request.secret, "secret")
        kept: list[KeyRecord] = []

        def make(state: State) -> State:
            old = _existing(state, provider, alias)
            resources.unchanged(request.etag, _etag(old), request.name)
            if old.fingerprint == new.fingerprint:
                raise InvalidRequest.of("secret", "Is the key that is in place; give the new one.", "SAME_KEY")
            kept.clear()
            if overlap:
                until = datetime.now(UTC) + timedelta(seconds=overlap)
                name = next(one for one in _old_names(alias) if _find(state, provider, one) is None)
                kept.append(registry.renamed(old, name, min(until, old.until or until)))
            return replace(state, keys=(*(key for key in state.keys if key != old), new, *kept))

        await self._change(rpc, (provider, alias), make, "secret", validate_only=request.validate_only)
        return key_pb2.RotateProviderKeyResponse(key=_shown(new), old_key=_shown(kept[0]) if kept else None)

    async def RemoveProviderKey(  # noqa: N802 - the contract's name
        self, request: key_pb2.RemoveProviderKeyRequest, rpc: Rpc
    ) -> key_pb2.RemoveProviderKeyResponse:
        resources.needed(self._registry)
        provider, alias = self._key_named(request.name)

        def make(state: State) -> State:
            old = _existing(state, provider, alias)
            resources.unchanged(request.etag, _etag(old), request.name)
            return replace(state, keys=tuple(key for key in state.keys if key != old))

        await self._change(rpc, (provider, alias), make, "", validate_only=request.validate_only)
        return key_pb2.RemoveProviderKeyResponse()

    # --- what they share

    def _named(self, name: str, field: str) -> str:
        return resources.looked_up("providers", name, self._gateway.settings, self._registry, field)

    def _key_named(self, name: str) -> tuple[str, str]:
        """Provider and alias of a key's name. Raises InvalidRequest, ResourceNotFound."""
        parent, slash, alias = name.rpartition("/keys/")
        if not slash or not NAME.fullmatch(alias):
            right = "Write providers/, the provider's id, /keys/ and the key's, such as providers/edge/keys/main."
            raise InvalidRequest.of("name", right, "INVALID_NAME" if name else "REQUIRED")
        return self._named(parent, "name"), alias

    async def _change(self, rpc: Rpc, key: tuple[str, str], make: Make, field: str, *, validate_only: bool) -> Done:
        from llm_gateway.admin.registry import told_key
        from llm_gateway.store.records import name_of

        provider, alias = key

        def told(state: State) -> object:
            found = _find(state, provider, alias)
            return told_key(found) if found is not None else None

        registry = resources.needed(self._registry)
        path = join("providers", provider)
        return await registry.change(
            rpc,
            name_of(provider, alias),
            make,
            told,
            validate_only=validate_only,
            fields={f"{path}.api_keys": field} if field else {},
        )


def _old_names(alias: str) -> list[str]:
    """Names for a key that is being replaced, the first free one to be taken: an overlap may begin before the last one is over."""
    return [f"{alias}.old", *(f"{alias}.old-{number}" for number in range(2, 1000))]


def _find(state: State, provider: str, alias: str) -> KeyRecord | None:
    return next((key for key in state.keys if (key.provider, key.alias) == (provider, alias)), None)


def _existing(state: State, provider: str, alias: str) -> KeyRecord:
    """Raises ResourceNotFound."""
    found = _find(state, provider, alias)
    if found is None:
        known = [key.alias for key in state.keys if key.provider == provider]
        near = difflib.get_close_matches(alias, known, n=1)
        right = f"did you mean {near[0]}?" if near else f"set at run time: {', '.join(known) or 'none'}."
        resource = f"providers/{provider}/keys/{alias}"
        raise ResourceNotFound(f"There is no {resource}; {right}", resource=resource)
    return found


def _etag(key: KeyRecord) -> str:
    return resources.etag_of(key.fingerprint, key.created, key.until)


def _shown(key: KeyRecord) -> key_pb2.ProviderKey:
    return key_pb2.ProviderKey(
        name=f"providers/{key.provider}/keys/{key.alias}",
        fingerprint=key.fingerprint,
        create_time=resources.stamp(key.created),
        expire_time=resources.stamp(key.until),
        etag=_etag(key),
    )
