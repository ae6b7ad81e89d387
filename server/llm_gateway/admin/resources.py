"""What services say of the resources that they keep: where one is from, whether it is the one that was looked at, and who may change it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from google.protobuf import timestamp_pb2
from llmgateway.admin.v1 import config_pb2

from llm_gateway import config
from llm_gateway.admin.pages import named
from llm_gateway.config.effective import HIDDEN
from llm_gateway.config.reading import join
from llm_gateway.errors import ResourceChanged, ResourceExists, ResourceNotFound, SetByFile, StoreRequired, Violation

if TYPE_CHECKING:
    from llm_gateway.admin.registry import Registry
    from llm_gateway.store.records import State

Collection = Literal["providers", "routes"]


def needed(registry: Registry | None) -> Registry:
    """Raises StoreRequired where the configuration has no store."""
    if registry is None:
        right = "Add store: {directory: data} to the configuration, and restart."
        raise StoreRequired(
            "Nothing can be changed at run time: the configuration has no store that would keep it.",
            violations=[Violation(field="store", description=right, reason=StoreRequired.reason)],
        )
    return registry


def entries(collection: Collection, state: State | None) -> dict[str, Any]:
    """The documents that were set at run time, by name."""
    return dict(getattr(state.entries, collection)) if state is not None else {}


def known(collection: Collection, settings: config.Config, state: State | None) -> list[str]:
    """The names of all there are, those that are switched off, or not in force, too."""
    off = config.origins_of(settings).off if collection == "providers" else {}
    return sorted({*getattr(settings, collection), *off, *entries(collection, state)})


def looked_up(
    collection: Collection, name: str, settings: config.Config, registry: Registry | None, field: str = "name"
) -> str:
    """The id in a resource's name. Raises InvalidRequest, ResourceNotFound, and StoreUnavailable where only the store can know."""
    state = registry.state if registry is not None else None
    try:
        return named(collection, name, known(collection, settings, state), field)
    except ResourceNotFound:
        if registry is not None:
            _ = registry.in_force
        raise


def etag_of(*content: Any) -> str:
    """Changes with the content."""
    data = msgspec.json.encode(
        content, enc_hook=lambda _: HIDDEN, order="sorted"
    )  # of a secret nothing, not even that it is another
    return f'"{hashlib.sha256(data).hexdigest()[:16]}"'


def unchanged(given: str, now: str, resource: str) -> None:
    """Raises ResourceChanged where the etag of a request is not that of the resource."""
    if given and given.strip('"') != now.strip('"'):
        told = f"{resource} was changed since it was looked at; look again, and send its etag of now."
        raise ResourceChanged(told, resource=resource)


def line_of(collection: Collection, name: str, settings: config.Config) -> int:
    """The line of the file's, also where one that was set at run time stands before it; 0 where there is none."""
    origins, path = config.origins_of(settings), join(collection, name)
    return origins.entries.get(path, 0) or origins.lines.get(path, 0)


def source_of(collection: Collection, name: str, settings: config.Config, state: State | None) -> Any:
    """Where the one that serves is from."""
    if name in entries(collection, state):
        return config_pb2.SETTING_SOURCE_RUNTIME
    if line_of(collection, name, settings):
        return config_pb2.SETTING_SOURCE_FILE
    return config_pb2.SETTING_SOURCE_ENVIRONMENT


def place_of(collection: Collection, name: str, settings: config.Config) -> str:
    """File and line of the file's."""
    line = line_of(collection, name, settings)
    return f"{config.origins_of(settings).file}:{line}" if line else "environment"


def is_files(collection: Collection, name: str, settings: config.Config, state: State) -> bool:
    """Whether the file, or the environment, has one of this name, and nothing was set at run time before it."""
    off = config.origins_of(settings).off if collection == "providers" else {}
    there = getattr(settings, collection).get(name) or off.get(name)
    stands_in = collection == "providers" and there is not None and there.options.get("stands_in") is True
    return there is not None and not stands_in and name not in entries(collection, state)


def refuse_files(collection: Collection, name: str, settings: config.Config, what: str) -> SetByFile:
    """The refusal to change what the file decides."""
    place = place_of(collection, name, settings)
    where = place if place != "environment" else "the environment"
    right = f"Change it there; {what}."
    return SetByFile(
        f"{collection}/{name} is set by {where}. {right}",
        violations=[Violation(field=place, description=right, reason=SetByFile.reason)],
    )


def unused(collection: Collection, name: str, settings: config.Config, state: State) -> None:
    """Raises ResourceExists for a name in use."""
    resource = f"{collection}/{name}"
    if name in entries(collection, state):
        told = f"{resource} is there already, set at run time; update it, or choose another name."
        raise ResourceExists(told, resource=resource)
    if is_files(collection, name, settings, state):
        place = place_of(collection, name, settings)
        raise ResourceExists(f"{resource} is there already ({place}); choose another name.", resource=resource)


def stamp(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    """A time of the contract."""
    if moment is None:
        return None
    made = timestamp_pb2.Timestamp()
    made.FromDatetime(moment)
    return made


def latest(registry: Registry | None, keys: Sequence[tuple[str, str]]) -> tuple[int, datetime | None]:
    """The newest revision that has set one of these entries, and when; 0 where none has."""
    found = [registry.since[key] for key in keys if key in registry.since] if registry is not None else []
    return max(found, default=(0, None))
