"""ProviderService: the providers that are configured, and whether they answer."""

from __future__ import annotations

from collections.abc import Mapping

from llmgateway.admin.v1 import provider_pb2

from llm_gateway import config, durations
from llm_gateway.admin.gateway import Administered
from llm_gateway.admin.pages import named, page
from llm_gateway.config.reading import join
from llm_gateway.rpc.chain import Rpc
from llm_gateway.upstream.build import is_local
from llm_gateway.upstream.check import Answered, Key, check

_KEYS: Mapping[Key, provider_pb2.KeyState.ValueType] = {
    "not checked": provider_pb2.KEY_STATE_NOT_CHECKED,
    "accepted": provider_pb2.KEY_STATE_ACCEPTED,
    "rejected": provider_pb2.KEY_STATE_REJECTED,
}


class ProviderService:
    """llmgateway.admin.v1.ProviderService."""

    def __init__(self, gateway: Administered) -> None:
        self._gateway = gateway

    async def GetProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.GetProviderRequest, rpc: Rpc
    ) -> provider_pb2.GetProviderResponse:
        settings = self._gateway.settings
        name = named("providers", request.name, settings.providers)
        return provider_pb2.GetProviderResponse(provider=_provider(name, settings))

    async def ListProviders(  # noqa: N802 - the contract's name
        self, request: provider_pb2.ListProvidersRequest, rpc: Rpc
    ) -> provider_pb2.ListProvidersResponse:
        settings = self._gateway.settings
        names, following = page(settings.providers, request.page_size, request.page_token)
        providers = [_provider(name, settings) for name in names]
        return provider_pb2.ListProvidersResponse(providers=providers, next_page_token=following)

    async def TestProvider(  # noqa: N802 - the contract's name
        self, request: provider_pb2.TestProviderRequest, rpc: Rpc
    ) -> provider_pb2.TestProviderResponse:
        settings = self._gateway.settings
        name = named("providers", request.name, settings.providers)
        answered = await check({name: settings.providers[name]})
        return provider_pb2.TestProviderResponse(endpoints=map(_tested, answered))


def _provider(name: str, settings: config.Config) -> provider_pb2.Provider:
    provider = settings.providers[name]
    return provider_pb2.Provider(
        name=f"providers/{name}",
        kind=provider.kind,
        is_default=name == settings.default_provider,
        addresses=[
            provider_pb2.ProviderAddress(uri=server.url, weight=server.weight, region=server.region or "")
            for server in provider.servers
        ],
        keys=[key.name for key in provider.keys],
        default_model=provider.default_model or "",
        models=provider.models or (),
        local=is_local(provider),
        aliases={alias: model for model, info in provider.model_info.items() for alias in info.aliases or ()},
        line=config.origins_of(settings).lines.get(join("providers", name), 0),
    )


def _tested(one: Answered) -> provider_pb2.EndpointTest:
    return provider_pb2.EndpointTest(
        endpoint=one.endpoint,
        reason=one.reason,
        problem=one.problem,
        key_state=_KEYS[one.key],
        model_count=one.models,
        missing_models=one.missing,
        duration=durations.to_proto(one.seconds),
    )
