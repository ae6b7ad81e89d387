"""The sync client of the administration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

import grpc

from llmgateway.admin.v1 import config_pb2, config_pb2_grpc, provider_pb2, provider_pb2_grpc, route_pb2, route_pb2_grpc
from llmgateway.channel import TLS, Option
from llmgateway.core import ClientCore, Metadata, trace_context
from llmgateway.errors import typed_errors

DEFAULT_ADMIN_ADDRESS = "127.0.0.1:50052"
DEFAULT_ADMIN_TIMEOUT = 60.0
"""Seconds."""


class AdminCore(ClientCore):
    """Settings of a client of the administration: those of `ClientCore`. api_key: a key of the administration; callers' keys open nothing there."""

    def __init__(
        self,
        address: str = DEFAULT_ADMIN_ADDRESS,
        *,
        api_key: str | None = None,
        tls: bool | TLS | grpc.ChannelCredentials = False,
        timeout: float | None = DEFAULT_ADMIN_TIMEOUT,
        options: Sequence[Option] = (),
        insecure: bool = False,
        propagate: Callable[[], Mapping[str, str]] = trace_context,
    ) -> None:
        super().__init__(
            address,
            api_key=api_key,
            tls=tls,
            timeout=timeout,
            options=options,
            insecure=insecure,
            propagate=propagate,
        )


def resource(collection: str, name: str) -> str:
    """`providers/edge` of `edge`; a whole name stays."""
    return name if name.startswith(f"{collection}/") else f"{collection}/{name}"


def estimate_request(
    model: str, input_tokens: int | None, text: str | None, output_tokens: int | None
) -> route_pb2.EstimateCostRequest:
    """The request of `estimate_cost`."""
    request = route_pb2.EstimateCostRequest(model=model, output_tokens=output_tokens)
    if input_tokens is not None:
        request.input_tokens = input_tokens
    if text is not None:
        request.text = text
    return request


class AdminClient(AdminCore):
    """A gateway's administration, for programs without an event loop.

    Threads may share one. Close it, or use it in a ``with`` block. Every call takes `timeout` in seconds (None: the client's own) and
    `metadata` to send along, and raises GatewayError when it fails. Providers and routes are named by their ids.
    """

    def _open(self) -> None:
        if self._credentials is None:
            self._channel = grpc.insecure_channel(self.address, self._options)
        else:
            self._channel = grpc.secure_channel(self.address, self._credentials, self._options)
        self._config = config_pb2_grpc.ConfigServiceStub(self._channel)
        self._providers = provider_pb2_grpc.ProviderServiceStub(self._channel)
        self._routes = route_pb2_grpc.RouteServiceStub(self._channel)

    def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def get_effective_config(
        self, key: str = "", *, timeout: float | None = None, metadata: Metadata = ()
    ) -> config_pb2.GetEffectiveConfigResponse:
        """Every setting in force, and where it comes from; with `key` only that one and those below it."""
        request = config_pb2.GetEffectiveConfigRequest(key=key)
        with typed_errors():
            return self._config.GetEffectiveConfig(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    def reload_config(
        self, *, validate_only: bool = False, timeout: float | None = None, metadata: Metadata = ()
    ) -> config_pb2.ReloadConfigResponse:
        """Have the configuration read again. Raises FailedPrecondition, with file and line, for a wrong one; nothing is changed then."""
        request = config_pb2.ReloadConfigRequest(validate_only=validate_only)
        with typed_errors():
            return self._config.ReloadConfig(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    def list_providers(self, *, timeout: float | None = None, metadata: Metadata = ()) -> list[provider_pb2.Provider]:
        """The providers that are configured, of all pages."""
        request = provider_pb2.ListProvidersRequest()
        providers: list[provider_pb2.Provider] = []
        while True:
            with typed_errors():
                page = self._providers.ListProviders(
                    request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
                )
            providers += page.providers
            if not page.next_page_token:
                return providers
            request.page_token = page.next_page_token

    def get_provider(
        self, provider: str, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> provider_pb2.Provider:
        """One provider. Raises NotFound."""
        request = provider_pb2.GetProviderRequest(name=resource("providers", provider))
        with typed_errors():
            answer = self._providers.GetProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return answer.provider

    def test_provider(
        self, provider: str, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> list[provider_pb2.EndpointTest]:
        """What each of a provider's addresses answers to each key when it is asked for its models; no tokens are used."""
        request = provider_pb2.TestProviderRequest(name=resource("providers", provider))
        with typed_errors():
            answer = self._providers.TestProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return list(answer.endpoints)

    def list_routes(self, *, timeout: float | None = None, metadata: Metadata = ()) -> list[route_pb2.Route]:
        """The routes that are configured, of all pages."""
        request = route_pb2.ListRoutesRequest()
        routes: list[route_pb2.Route] = []
        while True:
            with typed_errors():
                page = self._routes.ListRoutes(
                    request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
                )
            routes += page.routes
            if not page.next_page_token:
                return routes
            request.page_token = page.next_page_token

    def get_route(self, route: str, *, timeout: float | None = None, metadata: Metadata = ()) -> route_pb2.Route:
        """One route. Raises NotFound."""
        request = route_pb2.GetRouteRequest(name=resource("routes", route))
        with typed_errors():
            answer = self._routes.GetRoute(request, timeout=self._deadline(timeout), metadata=self._metadata(metadata))
        return answer.route

    def explain(
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
            return self._routes.Explain(request, timeout=self._deadline(timeout), metadata=self._metadata(metadata))

    def estimate_cost(
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
            answer = self._routes.EstimateCost(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return list(answer.estimates)
