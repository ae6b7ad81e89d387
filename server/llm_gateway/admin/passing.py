"""Calls of the administration that another process answers: only who serves knows how endpoints are doing and which models are listed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from google.protobuf import message_factory

from llm_gateway.admin.methods import SERVICES
from llm_gateway.errors import Code
from llm_gateway.rpc.chain import Pairs, Rpc

LIVE = frozenset(
    {
        "/llmgateway.admin.v1.ProviderService/TestProvider",
        "/llmgateway.admin.v1.RouteService/Explain",
        "/llmgateway.admin.v1.RouteService/EstimateCost",
    }
)
"""Methods that a process answers which serves calls."""
Ask = Callable[[Rpc, bytes], Awaitable[bytes]]
"""Has a call's request answered elsewhere. Raises GatewayError."""


class _Passed(Rpc):
    """A call that another process has authenticated and logs."""

    __slots__ = ()

    def peer(self) -> str:
        return ""

    def time_remaining(self) -> float | None:
        return None

    def set_trailers(self, pairs: Pairs) -> None:
        pass

    async def end(self, code: Code, text: str = "", trailers: Pairs = ()) -> NoReturn:
        raise NotImplementedError


class Answers:
    """Answers calls that another process took, from bytes to bytes."""

    def __init__(self, servicers: Mapping[str, object]) -> None:
        """servicers: by the full name of their service."""
        self._methods: dict[str, tuple[Callable[[bytes], Any], Callable[[Any, Rpc], Awaitable[Any]]]] = {}
        for service in SERVICES:
            servicer = servicers.get(service.full_name)
            for name, method in service.methods_by_name.items():
                if behavior := getattr(servicer, name, None):
                    parse = message_factory.GetMessageClass(method.input_type).FromString
                    self._methods[f"/{service.full_name}/{name}"] = parse, behavior

    async def __call__(self, path: str, request: bytes, request_id: str) -> bytes:
        """Raises GatewayError."""
        parse, behavior = self._methods[path]
        answer = await behavior(parse(request), _Passed(path, (("x-request-id", request_id),)))
        return answer.SerializeToString()  # type: ignore[no-any-return]


def passing(servicers: Mapping[str, object], ask: Ask) -> Mapping[str, object]:
    """The same servicers, but what is LIVE is asked elsewhere."""
    named = {service.full_name: service for service in SERVICES}
    return {name: _Passing(named[name], servicer, ask) for name, servicer in servicers.items()}


class _Passing:
    def __init__(self, service: Any, servicer: object, ask: Ask) -> None:
        for name, method in service.methods_by_name.items():
            if f"/{service.full_name}/{name}" in LIVE:
                setattr(self, name, _asking(method, ask))
            elif behavior := getattr(servicer, name, None):
                setattr(self, name, behavior)


def _asking(method: Any, ask: Ask) -> Callable[[Any, Rpc], Awaitable[Any]]:
    parse = message_factory.GetMessageClass(method.output_type).FromString

    async def asking(request: Any, rpc: Rpc) -> Any:
        return parse(await ask(rpc, request.SerializeToString()))

    return asking
