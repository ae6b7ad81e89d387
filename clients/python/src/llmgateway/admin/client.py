"""The sync client of the administration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

import grpc

from llmgateway.admin import requests
from llmgateway.admin.requests import resource
from llmgateway.admin.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    config_pb2,
    config_pb2_grpc,
    key_pb2,
    key_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    route_pb2,
    route_pb2_grpc,
    settings_pb2,
)
from llmgateway.channel import TLS, Option
from llmgateway.core import ClientCore, Metadata, trace_context
from llmgateway.errors import NotFound, typed_errors

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
        self._keys = key_pb2_grpc.ProviderKeyServiceStub(self._channel)
        self._audit = audit_pb2_grpc.AuditServiceStub(self._channel)

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
        request = requests.estimate(model, input_tokens, text, output_tokens)
        with typed_errors():
            answer = self._routes.EstimateCost(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return list(answer.estimates)

    def create_provider(
        self,
        provider: str,
        settings: settings_pb2.ProviderSettings,
        *,
        keys: Mapping[str, str] = {},
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> provider_pb2.Provider:
        """Add a provider, switched on, with its keys by name. Raises InvalidArgument for wrong settings, GatewayError where the name is in use."""
        request = requests.create_provider(provider, settings, keys, validate_only)
        with typed_errors():
            answer = self._providers.CreateProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return answer.provider

    def update_provider(
        self,
        provider: str,
        settings: settings_pb2.ProviderSettings,
        mask: Iterable[str] = (),
        *,
        keys: Mapping[str, str] = {},
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> provider_pb2.UpdateProviderResponse:
        """Change what was set at run time. mask: the settings to take, such as `settings.timeouts.connect`; none is all that are set. keys: in the place of
        those it has. etag: of the provider that was looked at; it is refused if somebody has changed it since."""
        request = requests.update_provider(provider, settings, mask, keys=keys, etag=etag, validate_only=validate_only)
        with typed_errors():
            return self._providers.UpdateProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    def delete_provider(
        self,
        provider: str,
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> provider_pb2.DeleteProviderResponse:
        """Remove a provider that was set at run time, and its keys. Raises FailedPrecondition where routes need it."""
        request = provider_pb2.DeleteProviderRequest(
            name=resource("providers", provider), etag=etag, validate_only=validate_only
        )
        with typed_errors():
            return self._providers.DeleteProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    def enable_provider(
        self,
        provider: str,
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> provider_pb2.Provider:
        """Switch a provider on."""
        request = provider_pb2.EnableProviderRequest(
            name=resource("providers", provider), etag=etag, validate_only=validate_only
        )
        with typed_errors():
            answer = self._providers.EnableProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return answer.provider

    def disable_provider(
        self,
        provider: str,
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> provider_pb2.Provider:
        """Switch a provider off: new calls do not reach it; its settings and keys stay."""
        request = provider_pb2.DisableProviderRequest(
            name=resource("providers", provider), etag=etag, validate_only=validate_only
        )
        with typed_errors():
            answer = self._providers.DisableProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return answer.provider

    def set_default(
        self,
        provider: str | None,
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> provider_pb2.Provider:
        """Have a provider serve calls that name neither provider nor route; None: the file decides again."""
        request = provider_pb2.SetDefaultProviderRequest(
            name=resource("providers", provider) if provider else "", etag=etag, validate_only=validate_only
        )
        with typed_errors():
            answer = self._providers.SetDefaultProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return answer.provider

    def adopt_provider(
        self,
        provider: str,
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> provider_pb2.AdoptProviderResponse:
        """Have the provider of the file serve in place of the one of the same name that was set at run time."""
        request = provider_pb2.AdoptProviderRequest(
            name=resource("providers", provider), etag=etag, validate_only=validate_only
        )
        with typed_errors():
            return self._providers.AdoptProvider(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    def add_provider_key(
        self,
        provider: str,
        secret: str,
        *,
        name: str = "main",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> key_pb2.ProviderKey:
        """Give a provider a key, beside those that were set at run time."""
        request = key_pb2.AddProviderKeyRequest(
            parent=resource("providers", provider),
            key=key_pb2.NewProviderKey(key_id=name, secret=secret),
            validate_only=validate_only,
        )
        with typed_errors():
            answer = self._keys.AddProviderKey(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return answer.key

    def rotate_provider_key(
        self,
        provider: str,
        name: str,
        secret: str,
        *,
        overlap: float = 0.0,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> key_pb2.RotateProviderKeyResponse:
        """Put a key in the place of one. overlap: seconds for which the old one is used beside it."""
        request = requests.rotate_key(
            requests.key_name(provider, name), secret, overlap, etag=etag, validate_only=validate_only
        )
        with typed_errors():
            return self._keys.RotateProviderKey(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    def remove_provider_key(
        self,
        provider: str,
        name: str,
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> key_pb2.RemoveProviderKeyResponse:
        """Take a key away that was set at run time."""
        request = key_pb2.RemoveProviderKeyRequest(
            name=requests.key_name(provider, name), etag=etag, validate_only=validate_only
        )
        with typed_errors():
            return self._keys.RemoveProviderKey(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    def create_route(
        self,
        route: str,
        settings: settings_pb2.RouteSettings,
        *,
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> route_pb2.Route:
        """Add a route."""
        request = route_pb2.CreateRouteRequest(
            route_id=route, route=route_pb2.Route(settings=settings), validate_only=validate_only
        )
        with typed_errors():
            answer = self._routes.CreateRoute(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return answer.route

    def update_route(
        self,
        route: str,
        settings: settings_pb2.RouteSettings,
        mask: Iterable[str] = (),
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> route_pb2.Route:
        """Change a route that was set at run time; see `update_provider`."""
        request = requests.update_route(route, settings, mask, etag=etag, validate_only=validate_only)
        with typed_errors():
            answer = self._routes.UpdateRoute(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )
        return answer.route

    def delete_route(
        self,
        route: str,
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> route_pb2.DeleteRouteResponse:
        """Remove a route that was set at run time."""
        request = route_pb2.DeleteRouteRequest(name=resource("routes", route), etag=etag, validate_only=validate_only)
        with typed_errors():
            return self._routes.DeleteRoute(request, timeout=self._deadline(timeout), metadata=self._metadata(metadata))

    def rollback_config(
        self, revision: int, *, validate_only: bool = False, timeout: float | None = None, metadata: Metadata = ()
    ) -> config_pb2.RollbackConfigResponse:
        """Set again at run time what was set in an earlier revision, as a new one. Keys that were removed stay so."""
        request = config_pb2.RollbackConfigRequest(revision=revision, validate_only=validate_only)
        with typed_errors():
            return self._config.RollbackConfig(
                request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    def list_provider_keys(
        self, provider: str, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> list[key_pb2.ProviderKey]:
        """The keys of a provider that were set at run time, of all pages: names and fingerprints."""
        request = key_pb2.ListProviderKeysRequest(parent=resource("providers", provider))
        keys: list[key_pb2.ProviderKey] = []
        while True:
            with typed_errors():
                page = self._keys.ListProviderKeys(
                    request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
                )
            keys += page.keys
            if not page.next_page_token:
                return keys
            request.page_token = page.next_page_token

    def list_revisions(
        self, *, limit: int | None = None, timeout: float | None = None, metadata: Metadata = ()
    ) -> list[config_pb2.Revision]:
        """The revisions of what was set at run time, the latest first. limit: at most so many."""
        request = config_pb2.ListRevisionsRequest(page_size=limit or 0)
        revisions: list[config_pb2.Revision] = []
        while True:
            with typed_errors():
                page = self._config.ListRevisions(
                    request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
                )
            revisions += page.revisions
            if not page.next_page_token or (limit is not None and len(revisions) >= limit):
                return revisions[:limit]
            request.page_token = page.next_page_token

    def list_changes(
        self, resource: str = "", *, limit: int | None = None, timeout: float | None = None, metadata: Metadata = ()
    ) -> list[audit_pb2.Change]:
        """What was changed at run time, the latest first. resource: only what such as `providers/edge`. limit: at most so many."""
        request = audit_pb2.ListChangesRequest(resource=resource, page_size=limit or 0)
        changes: list[audit_pb2.Change] = []
        while True:
            with typed_errors():
                page = self._audit.ListChanges(
                    request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
                )
            changes += page.changes
            if not page.next_page_token or (limit is not None and len(changes) >= limit):
                return changes[:limit]
            request.page_token = page.next_page_token

    def enable_cloud_provider(
        self, provider: str, api_key: str, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> provider_pb2.Provider:
        """Have a cloud provider serve with this key. One that is not there is added, with its id as its kind, such as openai or anthropic; of one that is
        there the key that was set at run time is replaced, and it is switched on."""
        way: requests.Way = {"timeout": timeout, "metadata": metadata}
        try:
            found = self.get_provider(provider, **way)
        except NotFound:
            keys = {requests.MAIN: api_key}
            return self.create_provider(
                provider.removeprefix("providers/"), settings_pb2.ProviderSettings(), keys=keys, **way
            )
        names = [key.name for key in self.list_provider_keys(provider, **way)]
        if requests.key_name(provider, requests.MAIN) in names:
            with requests.same_key():
                self.rotate_provider_key(provider, requests.MAIN, api_key, **way)
        else:
            self.add_provider_key(provider, api_key, **way)
        return self.get_provider(provider, **way) if found.enabled else self.enable_provider(provider, **way)

    def get_cloud_status(
        self, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> dict[str, requests.CloudStatus]:
        """The providers that run on others' machines, by id: whether each is switched on, and its keys by name. How they are doing, `Client.health` tells."""
        return requests.cloud_status(self.list_providers(timeout=timeout, metadata=metadata))
