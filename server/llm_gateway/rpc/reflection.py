"""Server reflection by v1 and v1alpha, for grpcurl and the like. The two differ by the name of their package alone; grpcio knows the old one.

Source: https://github.com/grpc/grpc-proto/tree/master/grpc/reflection
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from llm_gateway.rpc.methods import REFLECTION

NEW, OLD = (service.removesuffix(".ServerReflection") for service in REFLECTION)


class _Servicer(reflection.aio.ReflectionServicer):  # type: ignore[misc]  # grpcio-reflection has no types
    """Knows methods too, which the pool has no names for: `grpcurl describe SERVICE.METHOD` asks for one."""

    def _file_containing_symbol(self, request: Any, fully_qualified_name: str) -> Any:
        service, _, method = fully_qualified_name.rpartition(".")
        try:
            known = method in descriptor_pool.Default().FindServiceByName(service).methods_by_name
        except KeyError:
            known = False
        return super()._file_containing_symbol(request, service if known else fully_qualified_name)


def add_to(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Serve the descriptors of these services, and of reflection itself."""
    _know_v1()
    servicer = _Servicer((*services, *REFLECTION))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    info = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(REFLECTION[0], {"ServerReflectionInfo": info}),)
    )


def _know_v1() -> None:
    """Put the descriptor of v1, which clients look up as any other, into the pool: v1alpha's under its name."""
    pool = descriptor_pool.Default()
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = file.name.replace("v1alpha", "v1"), NEW
    for message in file.message_type:
        for field in message.field:
            if field.type_name:  # set to nothing it would make a scalar invalid
                field.type_name = field.type_name.replace(OLD, NEW)
    for method in file.service[0].method:
        method.input_type, method.output_type = (
            method.input_type.replace(OLD, NEW),
            method.output_type.replace(OLD, NEW),
        )
    try:
        pool.FindFileByName(file.name)
    except KeyError:
        pool.AddSerializedFile(file.SerializeToString())
