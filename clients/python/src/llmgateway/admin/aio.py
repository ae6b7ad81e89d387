"""The async client of the administration."""
# ruff: noqa: ASYNC109  # a deadline goes over the wire; cancelling from outside would not tell the gateway

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from types import TracebackType
from typing import Self

import grpc.aio

from llmgateway.admin.client import AdminCore, estimate_request, resource
from llmgateway.admin.v1 import config_pb2, config_pb2_grpc, provider_pb2, provider_pb2_grpc, route_pb2, route_pb2_grpc
from llmgateway.aio import typed_errors
from llmgateway.core import Metadata


class AsyncAdminClient(AdminCore):
    """A gateway's administration, for asyncio; `AdminClient` says what the calls mean.

    One event loop uses one. Close it, or use it in an ``async with`` block.
    """

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        # Opened by the first call: a channel belongs to the event loop that runs when it is made.
        if self._credentials is None:
            return grpc.aio.insecure_channel(self.address, self._options)
        return grpc.aio.secure_channel(self.address, self._credentials, self._options)

    @cached_property
    def _config(self) -> config_pb2_grpc.ConfigServiceAsyncStub:
        return config_pb2_grpc.ConfigServiceStub(self._channel)

    @cached_property
    def _providers(self) -> provider_pb2_grpc.ProviderServiceAsyncStub:
        return provider_pb2_grpc.ProviderServiceStub(self._channel)

    @cached_property
    def _routes(self) -> route_pb2_grpc.RouteServiceAsyncStub:
        return route_pb2_grpc.RouteServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def get_effective_config(
        self, key: str = "", *, timeout: float | None = None, metadata: Metadata = ()
    ) -> config_pb2.GetEffectiveConfigResponse:
        """Every setting in force, and where it comes from; with `key` only that one and those below it."""
        request = config_pb2.GetEffectiveConfigRequest(key=key)
        with typed_errors():
            return await self._config.GetEffectiveConfig(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    async def reload_config(
        self, *, validate_only: bool = False, timeout: float | None = None, metadata: Metadata = ()
    ) -> config_pb2.ReloadConfigResponse:
        """Have the configuration read again. Raises FailedPrecondition, with file and line, for a wrong one; nothing is changed then."""
        request = config_pb2.ReloadConfigRequest(validate_only=validate_only)
        with typed_errors():
            return await self._config.ReloadConfig(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    async def list_providers(
        self, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> list[provider_pb2.Provider]:
        """The providers that are configured, of all pages."""
        request = provider_pb2.ListProvidersRequest()
        providers: list[provider_pb2.Provider] = []
        while True:
            with typed_errors():
                page = await self._providers.ListProviders(
                    request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
                )
            providers += page.providers
            if not page.next_page_token:
                return providers
            request.page_token = page.next_page_token

    async def get_provider(
        self, provider: str, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> provider_pb2.Provider:
        """One provider. Raises NotFound."""
        request = provider_pb2.GetProviderRequest(name=resource("providers", provider))
        with typed_errors():
            answer = await self._providers.GetProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return answer.provider

    async def test_provider(
        self, provider: str, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> list[provider_pb2.EndpointTest]:
        """What each of a provider's addresses answers to each key when it is asked for its models; no tokens are used."""
        request = provider_pb2.TestProviderRequest(name=resource("providers", provider))
        with typed_errors():
            answer = await self._providers.TestProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return list(answer.endpoints)

    async def list_routes(self, *, timeout: float | None = None, metadata: Metadata = ()) -> list[route_pb2.Route]:
        """The routes that are configured, of all pages."""
        request = route_pb2.ListRoutesRequest()
        routes: list[route_pb2.Route] = []
        while True:
            with typed_errors():
                page = await self._routes.ListRoutes(
                    request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
                )
            routes += page.routes
            if not page.next_page_token:
                return routes
            request.page_token = page.next_page_token

    async def get_route(self, route: str, *, timeout: float | None = None, metadata: Metadata = ()) -> route_pb2.Route:
        """One route. Raises NotFound."""
        request = route_pb2.GetRouteRequest(name=resource("routes", route))
        with typed_errors():
            answer = await self._routes.GetRoute(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return answer.route

    async def explain(
        self,
        model: str = "",
        needs: Iterable[str] = (),
        *,
        input_tokens: int = 0,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> route_pb2.ExplainResponse:
        """Where a request would go now, and why not elsewhere. No model is called."""
        request = route_pb2.ExplainRequest(model=model, needs=needs, input_tokens=input_tokens)
        with typed_errors():
            return await self._routes.Explain(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    async def estimate_cost(
        self,
        model: str = "",
        *,
        input_tokens: int | None = None,
        text: str | None = None,
        output_tokens: int | None = None,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> list[route_pb2.CostEstimate]:
        """What a request of so many tokens, or of this text, would cost at each model that may serve it."""
        request = estimate_request(model, input_tokens, text, output_tokens)
        with typed_errors():
            answer = await self._routes.EstimateCost(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return list(answer.estimates)
