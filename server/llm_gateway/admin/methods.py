"""What each method of the administration is: who may call it, and whether it changes something. One table, made from the descriptors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import ServiceDescriptor
from llmgateway.admin.v1 import audit_pb2, config_pb2, key_pb2, provider_pb2, role_pb2, route_pb2

SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    service
    for file in (audit_pb2, config_pb2, key_pb2, provider_pb2, route_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
)


class AdminMethod(msgspec.Struct, frozen=True, kw_only=True):
    """role: the least role that may call it. changes: it changes something, so each call is told in an audit line."""

    role: role_pb2.Role.ValueType
    changes: bool


def declared(services: Iterable[ServiceDescriptor]) -> Mapping[str, AdminMethod]:
    """By path. Raises LookupError for a method that declares no role."""
    found = {}
    for service in services:
        for name, method in service.methods_by_name.items():
            options = method.GetOptions()
            role = options.Extensions[role_pb2.role]
            if not role:
                raise LookupError(f"{method.full_name} declares no role")
            changes = options.idempotency_level != descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
            found[f"/{service.full_name}/{name}"] = AdminMethod(role=role, changes=changes)
    return found


METHODS = declared(SERVICES)


def word(role: int) -> str:
    """A role as the configuration writes it."""
    return role_pb2.Role.Name(role).removeprefix("ROLE_").lower()  # type: ignore[arg-type]  # of the enum
