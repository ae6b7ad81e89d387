"""The class of each method: one table, made from the descriptors of the services."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from llmgateway.v1 import gateway_pb2


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """What a method is to the links."""

    costly: bool = False
    """It calls a provider, so admission counts it."""
    open: bool = False
    """It needs neither a key nor a log line: probes must work when nothing else does."""
    lasting: bool = False
    """It goes on for as long as the caller likes, so there is a limit, and a drain ends it."""


PLAIN, COSTLY, PROBE, WATCH = Method(), Method(costly=True), Method(open=True), Method(open=True, lasting=True)
GATEWAY: ServiceDescriptor = gateway_pb2.DESCRIPTOR.services_by_name["LLMGateway"]
HEALTH: ServiceDescriptor = health_pb2.DESCRIPTOR.services_by_name["Health"]
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""Their descriptors are imported when they are served."""


def declared(service: ServiceDescriptor, **methods: Method) -> Mapping[str, Method]:
    """By path. Raises LookupError for a method of the service that is missing here, and for one that it does not have."""
    if wrong := methods.keys() ^ service.methods_by_name.keys():
        raise LookupError(f"{service.full_name}: {', '.join(sorted(wrong))}")
    return {f"/{service.full_name}/{name}": method for name, method in methods.items()}


METHODS: Mapping[str, Method] = {
    **declared(GATEWAY, Send=COSTLY, StreamSend=COSTLY, ListModels=PLAIN, Health=PLAIN),
    **declared(HEALTH, Check=PROBE, List=PROBE, Watch=WATCH),
    **{f"/{service}/ServerReflectionInfo": Method(lasting=True) for service in REFLECTION},
}
"""A path that is not here is not served, and PLAIN."""
