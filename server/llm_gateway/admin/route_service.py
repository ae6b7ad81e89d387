"""RouteService: the routes that are configured, where a request would go, and what it would cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmgateway.admin.v1 import route_pb2

from llm_gateway import config, durations
from llm_gateway.admin.gateway import Administered
from llm_gateway.admin.pages import named, page
from llm_gateway.config.reading import join
from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.routing.estimate import estimate
from llm_gateway.routing.explain import Destination, explain, request_for
from llm_gateway.rpc.chain import Rpc

MOST_TOKENS = 2_000_000
"""Of a request to explain, which is made as large as that."""


class RouteService:
    """llmgateway.admin.v1.RouteService."""

    def __init__(self, gateway: Administered) -> None:
        self._gateway = gateway

    async def GetRoute(self, request: route_pb2.GetRouteRequest, rpc: Rpc) -> route_pb2.GetRouteResponse:  # noqa: N802 - the contract's name
        settings = self._gateway.settings
        return route_pb2.GetRouteResponse(route=_route(named("routes", request.name, settings.routes), settings))

    async def ListRoutes(self, request: route_pb2.ListRoutesRequest, rpc: Rpc) -> route_pb2.ListRoutesResponse:  # noqa: N802 - the contract's name
        settings = self._gateway.settings
        names, following = page(settings.routes, request.page_size, request.page_token)
        routes = [_route(name, settings) for name in names]
        return route_pb2.ListRoutesResponse(routes=routes, next_page_token=following)

    async def Explain(self, request: route_pb2.ExplainRequest, rpc: Rpc) -> route_pb2.ExplainResponse:  # noqa: N802 - the contract's name
        _check_tokens("input_tokens", request.input_tokens, MOST_TOKENS)
        wanted = request_for(request.model, request.needs, input_tokens=request.input_tokens)
        stream = "streaming" in request.needs
        found = await self._gateway.learned(lambda table, asked: explain(table, wanted, stream=stream, asked=asked))
        return route_pb2.ExplainResponse(
            route=found.route,
            strategy=found.strategy,
            groups=map(_group, found.groups),
            context_groups=map(_group, found.context),
            content_groups=map(_group, found.content),
            excluded=[route_pb2.ExcludedTarget(target=target, reasons=reasons) for target, reasons in found.excluded],
            experiment=found.experiment,
            arms=found.arms,
        )

    async def EstimateCost(  # noqa: N802 - the contract's name
        self, request: route_pb2.EstimateCostRequest, rpc: Rpc
    ) -> route_pb2.EstimateCostResponse:
        _check_tokens("input_tokens", request.input_tokens)
        _check_tokens("output_tokens", request.output_tokens)
        if not request.WhichOneof("input"):
            right = "Give input_tokens, or the text."
            raise InvalidRequest(violations=[Violation(field="input", description=right, reason="REQUIRED")])
        tokens = request.input_tokens if request.HasField("input_tokens") else None
        output = request.output_tokens if request.HasField("output_tokens") else None
        estimates = await self._gateway.learned(
            lambda table, asked: estimate(
                table, request.model, text=request.text, input_tokens=tokens, output_tokens=output, asked=asked
            )
        )
        return route_pb2.EstimateCostResponse(
            estimates=[
                route_pb2.CostEstimate(
                    target=one.model,
                    input_tokens=one.input_tokens,
                    output_tokens=one.output_tokens,
                    cost_nano_usd=one.cost_nano_usd,
                    price_id=one.price_id or "",
                )
                for one in estimates
            ]
        )


def _check_tokens(field: str, tokens: int, most: int | None = None) -> None:
    if tokens < 0 or (most is not None and tokens > most):
        right = "Give 0 or more." if most is None else f"Give 0 to {most}."
        raise InvalidRequest(violations=[Violation(field=field, description=right, reason="OUT_OF_RANGE")])


def _route(name: str, settings: config.Config) -> route_pb2.Route:
    route = settings.routes[name]
    split = route.experiment
    return route_pb2.Route(
        name=f"routes/{name}",
        strategy=route.strategy,
        affinity=route.affinity,
        targets=_targets(route.targets or (split.arms if split is not None else ())),
        fallbacks=_targets(route.fallbacks),
        context_fallbacks=_targets(route.context_fallbacks),
        content_fallbacks=_targets(route.content_fallbacks),
        max_attempts=route.retry.max_attempts,
        total_timeout=durations.to_proto(route.timeouts.total),
        experiment=split.name if split is not None else "",
        line=config.origins_of(settings).lines.get(join("routes", name), 0),
    )


def _targets(targets: Iterable[config.Target | config.Arm]) -> list[route_pb2.RouteTarget]:
    return [
        route_pb2.RouteTarget(
            provider=f"providers/{target.provider}",
            model=target.model,
            weight=target.weight,
            arm=target.name if isinstance(target, config.Arm) else "",
        )
        for target in targets
    ]


def _group(destinations: Sequence[Destination]) -> route_pb2.ExplainedGroup:
    return route_pb2.ExplainedGroup(
        destinations=[
            route_pb2.Destination(
                target=one.target, deployment=one.deployment, share=one.share, unavailable=one.unavailable
            )
            for one in destinations
        ]
    )
