"""ConfigService: the configuration in force, and having it read again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from llmgateway.admin.v1 import config_pb2
from msgspec.structs import replace

from llm_gateway import config
from llm_gateway.admin import resources
from llm_gateway.admin.documents import hidden
from llm_gateway.admin.gateway import Administered
from llm_gateway.admin.pages import latest
from llm_gateway.config import trust
from llm_gateway.config.effective import Setting, Source, settings_of
from llm_gateway.config.reading import join, within
from llm_gateway.config.values import nearest
from llm_gateway.errors import ConfigInvalid, InvalidRequest, Violation
from llm_gateway.rpc.chain import Rpc

if TYPE_CHECKING:
    from llm_gateway.admin.registry import Registry
    from llm_gateway.store.records import Entries, Revision, State


class ConfigService:
    """llmgateway.admin.v1.ConfigService. registry: None where the configuration has no store."""

    def __init__(self, gateway: Administered, registry: Registry | None = None) -> None:
        self._gateway = gateway
        self._registry = registry

    async def GetEffectiveConfig(  # noqa: N802 - the contract's name
        self, request: config_pb2.GetEffectiveConfigRequest, rpc: Rpc
    ) -> config_pb2.GetEffectiveConfigResponse:
        settings = self._gateway.settings
        found = [one for one in settings_of(settings) if not request.key or within(one.key, request.key)]
        if not found:
            steps = (one.key.split(".") for one in settings_of(settings))
            known = {".".join(each[:depth]) for each in steps for depth in range(1, len(each) + 1)}
            right = nearest(request.key, known) or "name one such as server.listen, or a section such as providers."
            right = f"No setting in force has this key; {right}"
            raise InvalidRequest(violations=[Violation(field="key", description=right, reason="UNKNOWN_KEY")])
        problem, since = self._gateway.refusal or ("", None)
        return config_pb2.GetEffectiveConfigResponse(
            version=config.fingerprint(settings),
            file=config.origins_of(settings).file,
            load_time=resources.stamp(self._gateway.loaded),
            settings=map(_setting, found),
            revision=config.origins_of(settings).revision,
            store_problem=self._registry.problem if self._registry is not None else "",
            unneeded_settings=self._registry.unneeded if self._registry is not None else (),
            refusal=problem,
            refusal_time=resources.stamp(datetime.fromtimestamp(since, UTC)) if since is not None else None,
        )

    async def ReloadConfig(  # noqa: N802 - the contract's name
        self, request: config_pb2.ReloadConfigRequest, rpc: Rpc
    ) -> config_pb2.ReloadConfigResponse:
        rpc.outcome["validate_only"] = request.validate_only
        try:
            done = await self._gateway.reload(check_only=request.validate_only)
        except config.ConfigError as error:
            raise _refused(error.errors) from None
        except (OSError, ValueError) as error:
            raise _refused([config.ConfigProblem(file="configuration", wrong=str(error))]) from None
        rpc.outcome |= {"version": done.version, "previous_version": done.previous}
        return config_pb2.ReloadConfigResponse(
            version=done.version, previous_version=done.previous, restart_settings=done.restart
        )

    async def ListRevisions(  # noqa: N802 - the contract's name
        self, request: config_pb2.ListRevisionsRequest, rpc: Rpc
    ) -> config_pb2.ListRevisionsResponse:
        registry = self._registry

        def find(before: int | None, limit: int) -> list[Revision]:
            return registry.revisions(before, limit) if registry is not None else []

        found, following = latest(find, request.page_size, request.page_token)
        revisions = [
            config_pb2.Revision(
                number=one.number,
                create_time=resources.stamp(one.time),
                principal=one.change.principal,
                method=one.change.method,
                resource=one.change.resource,
            )
            for one in found
        ]
        return config_pb2.ListRevisionsResponse(revisions=revisions, next_page_token=following)

    async def RollbackConfig(  # noqa: N802 - the contract's name
        self, request: config_pb2.RollbackConfigRequest, rpc: Rpc
    ) -> config_pb2.RollbackConfigResponse:
        registry = resources.needed(self._registry)
        if not request.HasField("revision"):
            raise InvalidRequest.of("revision", "Give the number of one, see ListRevisions.", "REQUIRED")
        newest = registry.in_force.revision
        try:
            entries = registry.entries_at(request.revision)
        except LookupError:
            raise InvalidRequest.of("revision", f"Give 0 to {newest}, see ListRevisions.", "OUT_OF_RANGE") from None
        dropped: list[str] = []
        off: set[str] = set()

        def make(state: State) -> State:
            keys = tuple(key for key in state.keys if _stays(key.provider, state.entries, entries))
            dropped[:] = [key.name for key in state.keys if key not in keys]
            now = replace(entries, enabled={**entries.enabled, **dict.fromkeys(off, False)}) if off else entries
            if now == state.entries and keys == state.keys:
                return state
            return replace(state, entries=now, keys=keys)

        def told(state: State) -> object:
            return _told(state.entries)

        while new := await _keyless(registry, make(registry.in_force)) - off:
            off |= new
        done = await registry.change(rpc, "config", make, told, validate_only=request.validate_only)
        return config_pb2.RollbackConfigResponse(
            revision=done.state.revision,
            version=config.fingerprint(done.settings),
            dropped_keys=dropped,
            disabled_providers=[f"providers/{name}" for name in sorted(off)],
        )


async def _keyless(registry: Registry, state: State) -> set[str]:
    """The providers of a state that lack a key which they need."""
    try:
        await registry.preview(state)
    except config.ConfigError as error:
        lacking = {problem.key for problem in error.errors}
        return {name for name in state.entries.providers if f"{join('providers', name)}.api_key" in lacking}
    return set()


def _stays(provider: str, now: Entries, then: Entries) -> bool:
    """Whether a provider's keys go where they went. One that is the file's then, or was, may lead elsewhere."""
    before, after = now.providers.get(provider), then.providers.get(provider)
    if before is None or after is None:
        return before is after
    return not trust.moved({"kind": provider, **before}, {"kind": provider, **after})


_SOURCES = {source: getattr(config_pb2, f"SETTING_SOURCE_{source.name}") for source in Source}


def _told(entries: Entries) -> dict[str, Any]:
    """What was set, without secrets."""
    found = msgspec.structs.asdict(entries)
    found["providers"] = {name: hidden(one) for name, one in entries.providers.items()}
    return {section: value for section, value in found.items() if value}


def _setting(one: Setting) -> config_pb2.Setting:
    return config_pb2.Setting(
        key=one.key,
        value=one.value,
        source=_SOURCES[one.source],
        line=one.line,
        variables=one.variables,
        flag=one.flag,
        revision=one.revision,
    )


def _refused(problems: list[config.ConfigProblem]) -> ConfigInvalid:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ConfigInvalid(
        f"The configuration stays as it is: {problems[0]}{more}",
        violations=[
            Violation(
                field=problem.file if problem.line is None else f"{problem.file}:{problem.line}",
                description="; ".join(
                    filter(None, (": ".join(filter(None, (problem.key, problem.wrong))), problem.right))
                ),
                reason=ConfigInvalid.reason,
            )
            for problem in problems
        ],
    )
