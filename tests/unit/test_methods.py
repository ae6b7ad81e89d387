"""What a method is to the links is declared, not guessed from its name."""

from __future__ import annotations

import pytest
from llm_gateway.rpc.chain import Rpc
from llm_gateway.rpc.methods import COSTLY, GATEWAY, METHODS, PLAIN, REFLECTION, declared
from llm_gateway.rpc.server import AioRpc


class Details:
    """grpc.HandlerCallDetails has no constructor to call."""

    invocation_metadata = ()

    def __init__(self, method: str) -> None:
        self.method = method


def rpc(path: str) -> Rpc:
    return AioRpc(Details(path))  # type: ignore[arg-type]


def test_calls_of_providers_take_places_and_probes_need_no_key() -> None:
    """The table by its effect: Send and StreamSend are costly, health is open, what lasts is ended by a drain."""
    found = {path.rpartition("/")[2]: method for path, method in METHODS.items()}
    assert {name for name, method in found.items() if method.costly} == {"Send", "StreamSend"}
    assert {name for name, method in found.items() if method.open} == {"Check", "List", "Watch"}
    assert {name for name, method in found.items() if method.lasting} == {"Watch", "ServerReflectionInfo"}


def test_a_name_alone_makes_no_class() -> None:
    """A Send of another service is nobody's: no place, and no open door."""
    assert rpc("/other.v1.Other/Send").method == PLAIN
    assert rpc("/grpc.health.v1.Health/Other").method == PLAIN
    assert rpc("/llmgateway.v1.LLMGateway/Send").method == COSTLY


def test_a_method_that_is_not_declared_is_noticed_before_it_is_served() -> None:
    """A new method of the contract fails at once, until somebody has said what it is."""
    with pytest.raises(LookupError, match=": Health"):
        declared(GATEWAY, Send=COSTLY, StreamSend=COSTLY, ListModels=PLAIN)
    with pytest.raises(LookupError, match="Sent"):
        declared(GATEWAY, Send=COSTLY, StreamSend=COSTLY, ListModels=PLAIN, Health=PLAIN, Sent=PLAIN)


def test_the_reflection_services_have_these_names() -> None:
    """As grpcio has the older one; `reflection` makes the newer one of it."""
    reflection_pb2 = pytest.importorskip("grpc_reflection.v1alpha.reflection_pb2")
    assert reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name == REFLECTION[1]
