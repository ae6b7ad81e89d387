"""ProviderService: the providers that are configured, changing them, and whether they answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmgateway.admin.v1 import key_pb2, provider_pb2, settings_pb2
from msgspec.structs import replace

from llm_gateway import config, durations
from llm_gateway.admin import resources
from llm_gateway.admin.documents import Document, document_of, settings_of, unhidden, updated
from llm_gateway.admin.gateway import Administered
from llm_gateway.admin.pages import FIRST_KEY, new_name, page
from llm_gateway.config import trust
from llm_gateway.config.reading import join
from llm_gateway.errors import InvalidRequest, NotInFile, ProviderOff, Violation
from llm_gateway.rpc.chain import Rpc
from llm_gateway.upstream.build import is_local
from llm_gateway.upstream.check import Answered, Key, check

if TYPE_CHECKING:
    from llm_gateway.admin.registry import Done, Registry
    from llm_gateway.store.records import KeyRecord, State

_KEYS: Mapping[Key, provider_pb2.KeyState.ValueType] = {
    "not checked": provider_pb2.KEY_STATE_NOT_CHECKED,
    "accepted": provider_pb2.KEY_STATE_ACCEPTED,
    "rejected": provider_pb2.KEY_STATE_REJECTED,
}


class ProviderService:
    """llmgateway.admin.v1.ProviderService. registry: None where the configuration has no store."""

    def __init__(self, gateway: Administered, registry: Registry | None = None) -> None:
        self._gateway = gateway
        self._registry = registry

    async def GetProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.GetProviderRequest, rpc: Rpc
    ) -> provider_pb2.GetProviderResponse:
        return provider_pb2.GetProviderResponse(provider=self._provider(self._named(request.name)))

    async def ListProviders(  # noqa: N802 - the contract's name
        self, request: provider_pb2.ListProvidersRequest, rpc: Rpc
    ) -> provider_pb2.ListProvidersResponse:
        known = resources.known("providers", self._gateway.settings, self._state)
        names, following = page(known, request.page_size, request.page_token)
        return provider_pb2.ListProvidersResponse(providers=map(self._provider, names), next_page_token=following)

    async def TestProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.TestProviderRequest, rpc: Rpc
    ) -> provider_pb2.TestProviderResponse:
        name, settings = self._named(request.name), self._gateway.settings
        if name not in settings.providers:
            raise _off(name)
        answered = await check({name: settings.providers[name]})
        return provider_pb2.TestProviderResponse(endpoints=map(_tested, answered))

    async def CreateProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.CreateProviderRequest, rpc: Rpc
    ) -> provider_pb2.CreateProviderResponse:
        registry = resources.needed(self._registry)
        name = new_name("provider_id", request.provider_id)
        document = document_of(request.provider.settings, _SETTINGS)
        unhidden(document, _SETTINGS)
        _allow(name, document)
        keys = _sealed(registry, name, request.keys)

        def make(state: State) -> State:
            resources.unused("providers", name, self._gateway.settings, state)
            stale = (key for key in state.keys if key.provider != name)
            return replace(_with_document(state, name, document), keys=(*stale, *keys))

        done = await self._change(rpc, name, make, request.validate_only)
        return provider_pb2.CreateProviderResponse(provider=self._provider(name, done))

    async def UpdateProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.UpdateProviderRequest, rpc: Rpc
    ) -> provider_pb2.UpdateProviderResponse:
        registry = resources.needed(self._registry)
        name = self._named(request.provider.name, "provider.name")
        keys = _sealed(registry, name, request.keys)
        dropped: list[str] = []

        def make(state: State) -> State:
            old = self._own(name, state, request.provider.etag)
            document = updated(old, request.provider.settings, request.update_mask.paths, "provider")
            _allow(name, document)
            now = _keys_of(state, name)
            if keys:
                kept: Sequence[KeyRecord] = keys
            else:
                kept = () if trust.moved({"kind": name, **old}, {"kind": name, **document}) else now
            dropped[:] = _gone(now, kept)
            if document == old and kept == now:
                return state
            return _with_keys(_with_document(state, name, document), name, kept)

        done = await self._change(rpc, name, make, request.validate_only)
        return provider_pb2.UpdateProviderResponse(provider=self._provider(name, done), dropped_keys=dropped)

    async def DeleteProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.DeleteProviderRequest, rpc: Rpc
    ) -> provider_pb2.DeleteProviderResponse:
        name = self._changed(request.name)
        dropped: list[str] = []

        def make(state: State) -> State:
            self._own(name, state, request.etag)
            dropped[:] = _gone(_keys_of(state, name), ())
            return _with_keys(_with_enabled(_with_document(state, name, None), name, None), name, ())

        await self._change(rpc, name, make, request.validate_only)
        return provider_pb2.DeleteProviderResponse(dropped_keys=dropped)

    async def EnableProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.EnableProviderRequest, rpc: Rpc
    ) -> provider_pb2.EnableProviderResponse:
        return provider_pb2.EnableProviderResponse(provider=await self._switch(request, rpc, True))

    async def DisableProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.DisableProviderRequest, rpc: Rpc
    ) -> provider_pb2.DisableProviderResponse:
        return provider_pb2.DisableProviderResponse(provider=await self._switch(request, rpc, False))

    async def SetDefaultProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.SetDefaultProviderRequest, rpc: Rpc
    ) -> provider_pb2.SetDefaultProviderResponse:
        name = self._changed(request.name) if request.name else None

        def make(state: State) -> State:
            if name is not None:
                self._check_etag(name, state, request.etag)
                if not self._is_on(name, state):
                    raise _off(name)
            if state.entries.default_provider == name:
                return state
            return replace(state, entries=replace(state.entries, default_provider=name))

        def told(state: State) -> Any:
            return state.entries.default_provider

        registry = resources.needed(self._registry)
        done = await registry.change(rpc, "default_provider", make, told, validate_only=request.validate_only)
        default = done.settings.default_provider
        shown = self._provider(default, done) if default is not None else None
        return provider_pb2.SetDefaultProviderResponse(provider=shown)

    async def AdoptProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.AdoptProviderRequest, rpc: Rpc
    ) -> provider_pb2.AdoptProviderResponse:
        name = self._changed(request.name)
        registry = resources.needed(self._registry)
        self._own(name, registry.in_force, request.etag)
        if not resources.line_of("providers", name, self._gateway.settings):
            right = f"Put it into the file, below providers.{name}, and have it reloaded first."
            raise NotInFile(
                f"The file has no provider {name} that could serve in its place. {right}",
                violations=[Violation(field=f"providers/{name}", description=right, reason=NotInFile.reason)],
            )
        before = self._read(name, self._gateway.settings)
        try:
            after = self._read(name, await registry.preview(_with_document(registry.in_force, name, None)))
        except config.ConfigError:
            after = None  # which the change will tell
        leads_elsewhere = before is None or after is None or bool(trust.moved(before, after))
        dropped: list[str] = []

        def make(state: State) -> State:
            self._own(name, state, request.etag)
            kept = () if leads_elsewhere else _keys_of(state, name)
            dropped[:] = _gone(_keys_of(state, name), kept)
            return _with_keys(_with_document(state, name, None), name, kept)

        done = await self._change(rpc, name, make, request.validate_only)
        return provider_pb2.AdoptProviderResponse(provider=self._provider(name, done), dropped_keys=dropped)

    # --- what they share

    @property
    def _state(self) -> State | None:
        return self._registry.state if self._registry is not None else None

    def _named(self, name: str, field: str = "name") -> str:
        return resources.looked_up("providers", name, self._gateway.settings, self._registry, field)

    def _changed(self, name: str) -> str:
        """Of one that is to be changed."""
        resources.needed(self._registry)
        return self._named(name)

    async def _change(self, rpc: Rpc, name: str, make: Any, validate_only: bool) -> Done:
        from llm_gateway.admin.registry import told_provider

        path = join("providers", name)
        fields = {f"{path}.api_keys": "keys", f"{path}.api_key": "keys", path: _SETTINGS}
        registry = resources.needed(self._registry)
        return await registry.change(
            rpc,
            f"providers/{name}",
            make,
            told_provider(name),
            validate_only=validate_only,
            fields=fields if rpc.path.endswith(("/CreateProvider", "/UpdateProvider")) else {},
        )

    async def _switch(
        self, request: provider_pb2.EnableProviderRequest | provider_pb2.DisableProviderRequest, rpc: Rpc, wanted: bool
    ) -> provider_pb2.Provider:
        name = self._changed(request.name)

        def make(state: State) -> State:
            self._check_etag(name, state, request.etag)
            if self._is_on(name, state) == wanted:
                return state
            return _with_enabled(state, name, None if wanted and name in state.entries.providers else wanted)

        return self._provider(name, await self._change(rpc, name, make, request.validate_only))

    def _is_on(self, name: str, state: State) -> bool:
        if name in state.entries.providers:
            return state.entries.enabled.get(name, True)
        return name in self._gateway.settings.providers

    def _own(self, name: str, state: State, etag: str) -> Document:
        """The document of one that was set at run time. Raises SetByFile for one of the file, ResourceChanged."""
        document = state.entries.providers.get(name)
        if document is None:
            raise resources.refuse_files(
                "providers",
                name,
                self._gateway.settings,
                "at run time it can be switched on and off, made the default one, and given keys",
            )
        self._check_etag(name, state, etag)
        return document

    def _check_etag(self, name: str, state: State, etag: str) -> None:
        resources.unchanged(etag, self._etag(name, self._gateway.settings, state), f"providers/{name}")

    @staticmethod
    def _read(name: str, settings: config.Config) -> config.Provider | None:
        return settings.providers.get(name) or config.origins_of(settings).off.get(name)

    def _etag(self, name: str, settings: config.Config, state: State | None) -> str:
        document = resources.entries("providers", state).get(name)
        enabled = state.entries.enabled.get(name) if state is not None else None
        return resources.etag_of(document if document is not None else self._read(name, settings), enabled)

    def _provider(self, name: str, done: Done | None = None) -> provider_pb2.Provider:
        """As it is in force, or would be."""
        settings = done.settings if done is not None else self._gateway.settings
        state = done.state if done is not None else self._state
        document = resources.entries("providers", state).get(name)
        revision, time = resources.latest(self._registry, [("providers", name), ("enabled", name)])
        provider = self._read(name, settings) or config.Provider()  # one that is not in force is only what was set
        shown = provider_pb2.Provider(
            name=f"providers/{name}",
            kind=provider.kind or (document or {}).get("kind", name),
            is_default=name == settings.default_provider,
            addresses=[
                provider_pb2.ProviderAddress(uri=server.url, weight=server.weight, region=server.region or "")
                for server in provider.servers
            ],
            keys=[key.name for key in provider.keys],
            default_model=provider.default_model or "",
            models=provider.models or (),
            local=bool(provider.kind) and is_local(provider),
            aliases={alias: model for model, info in provider.model_info.items() for alias in info.aliases or ()},
            line=resources.line_of("providers", name, settings),
            enabled=name in settings.providers,
            source=resources.source_of("providers", name, settings, state),
            revision=revision,
            update_time=resources.stamp(time),
            etag=self._etag(name, settings, state),
        )
        if document is not None:
            shown.settings.CopyFrom(settings_of(document, settings_pb2.ProviderSettings))
        return shown


_SETTINGS = "provider.settings"


def _off(name: str) -> ProviderOff:
    right = "Enable it first."
    return ProviderOff(
        f"providers/{name} is switched off. {right}",
        violations=[Violation(field=f"providers/{name}", description=right, reason=ProviderOff.reason)],
    )


def _allow(name: str, document: Document) -> None:
    """Raises InvalidRequest for what can be set in the file only."""
    violations = [
        Violation(field=f"{_SETTINGS}.{one.field}", description=one.description, reason=one.reason)
        for one in trust.refusals(name, document)
    ]
    if violations:
        raise InvalidRequest(violations=violations)


def _sealed(registry: Registry, name: str, given: Iterable[key_pb2.NewProviderKey]) -> tuple[KeyRecord, ...]:
    """Keys of a request. Raises InvalidRequest."""
    sealed: dict[str, KeyRecord] = {}
    for index, key in enumerate(given):
        alias = new_name(f"keys[{index}].key_id", key.key_id or FIRST_KEY)
        if alias in sealed:
            right = "Is given twice; name each key differently."
            raise InvalidRequest.of(f"keys[{index}].key_id", right, "DUPLICATE")
        sealed[alias] = registry.sealed(name, alias, key.secret, f"keys[{index}].secret")
    return tuple(sealed.values())


def _keys_of(state: State, name: str) -> tuple[KeyRecord, ...]:
    return tuple(key for key in state.keys if key.provider == name)


def _gone(before: Iterable[KeyRecord], after: Iterable[KeyRecord]) -> list[str]:
    """Names of the keys that are dropped."""
    left = {key.alias for key in after}
    return [key.alias for key in before if key.alias not in left]


def _with_document(state: State, name: str, document: Document | None) -> State:
    rest = {one: each for one, each in state.entries.providers.items() if one != name}
    providers = rest if document is None else {**rest, name: document}
    return replace(state, entries=replace(state.entries, providers=providers))


def _with_enabled(state: State, name: str, enabled: bool | None) -> State:
    rest = {one: each for one, each in state.entries.enabled.items() if one != name}
    return replace(state, entries=replace(state.entries, enabled=rest if enabled is None else {**rest, name: enabled}))


def _with_keys(state: State, name: str, keys: Iterable[KeyRecord]) -> State:
    return replace(state, keys=(*(key for key in state.keys if key.provider != name), *keys))


def _tested(one: Answered) -> provider_pb2.EndpointTest:
    return provider_pb2.EndpointTest(
        endpoint=one.endpoint,
        reason=one.reason,
        problem=one.problem,
        key_state=_KEYS[one.key],
        model_count=one.models,
        missing_models=one.missing,
        duration=durations.to_proto(one.seconds),
    )
