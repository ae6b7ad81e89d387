"""The requests of both clients of the administration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypedDict

from google.protobuf import duration_pb2, field_mask_pb2

from llmgateway.admin.v1 import key_pb2, provider_pb2, route_pb2, settings_pb2
from llmgateway.core import Metadata
from llmgateway.errors import InvalidArgument

MAIN = "main"
"""The key of a provider that has one."""


class Way(TypedDict):
    """How a call is made."""

    timeout: float | None
    metadata: Metadata


@contextmanager
def same_key() -> Iterator[None]:
    """A key that is in place already needs no rotation."""
    try:
        yield
    except InvalidArgument as error:
        if [one.reason for one in error.violations] != ["SAME_KEY"]:
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudStatus:
    """A provider that runs on others' machines. keys: the names of its keys, of the file or set at run time."""

    kind: str
    enabled: bool
    is_default: bool
    keys: tuple[str, ...]


def cloud_status(providers: Iterable[provider_pb2.Provider]) -> dict[str, CloudStatus]:
    """Of those that are not local, by id."""
    return {
        one.name.removeprefix("providers/"): CloudStatus(
            kind=one.kind, enabled=one.enabled, is_default=one.is_default, keys=tuple(one.keys)
        )
        for one in providers
        if not one.local
    }


def resource(collection: str, name: str) -> str:
    """`providers/edge` of `edge`; a whole name stays."""
    return name if name.startswith(f"{collection}/") else f"{collection}/{name}"


def key_name(provider: str, key: str) -> str:
    """`providers/edge/keys/main` of `edge` and `main`."""
    return f"{resource('providers', provider)}/keys/{key}"


def new_keys(keys: Mapping[str, str]) -> list[key_pb2.NewProviderKey]:
    return [key_pb2.NewProviderKey(key_id=name, secret=secret) for name, secret in keys.items()]


def create_provider(
    provider: str, settings: settings_pb2.ProviderSettings, keys: Mapping[str, str], validate_only: bool
) -> provider_pb2.CreateProviderRequest:
    return provider_pb2.CreateProviderRequest(
        provider_id=provider,
        provider=provider_pb2.Provider(settings=settings),
        keys=new_keys(keys),
        validate_only=validate_only,
    )


def update_provider(
    provider: str,
    settings: settings_pb2.ProviderSettings,
    mask: Iterable[str],
    *,
    keys: Mapping[str, str],
    etag: str,
    validate_only: bool,
) -> provider_pb2.UpdateProviderRequest:
    return provider_pb2.UpdateProviderRequest(
        provider=provider_pb2.Provider(name=resource("providers", provider), settings=settings, etag=etag),
        update_mask=field_mask_pb2.FieldMask(paths=mask),
        keys=new_keys(keys),
        validate_only=validate_only,
    )


def update_route(
    route: str, settings: settings_pb2.RouteSettings, mask: Iterable[str], *, etag: str, validate_only: bool
) -> route_pb2.UpdateRouteRequest:
    return route_pb2.UpdateRouteRequest(
        route=route_pb2.Route(name=resource("routes", route), settings=settings, etag=etag),
        update_mask=field_mask_pb2.FieldMask(paths=mask),
        validate_only=validate_only,
    )


def rotate_key(
    name: str, secret: str, overlap: float, *, etag: str, validate_only: bool
) -> key_pb2.RotateProviderKeyRequest:
    length = duration_pb2.Duration()
    length.FromNanoseconds(round(overlap * 1e9))
    return key_pb2.RotateProviderKeyRequest(
        name=name, secret=secret, overlap=length if overlap else None, etag=etag, validate_only=validate_only
    )


def estimate(
    model: str, input_tokens: int | None, text: str | None, output_tokens: int | None
) -> route_pb2.EstimateCostRequest:
    request = route_pb2.EstimateCostRequest(model=model, output_tokens=output_tokens)
    if input_tokens is not None:
        request.input_tokens = input_tokens
    if text is not None:
        request.text = text
    return request
