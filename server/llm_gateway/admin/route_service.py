"""RouteService: the routes that are configured, changing them, where a request would go, and what it would cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from llmgateway.admin.v1 import route_pb2, settings_pb2
from msgspec.structs import replace

from llm_gateway import config, durations
from llm_gateway.admin import resources
from llm_gateway.admin.documents import Document, document_of, settings_of, updated
from llm_gateway.admin.gateway import Administered
from llm_gateway.admin.pages import new_name, page
from llm_gateway.config.reading import join
from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.routing.estimate import estimate
from llm_gateway.routing.explain import Destination, explain, request_for
from llm_gateway.rpc.chain import Rpc

if TYPE_CHECKING:
    from llm_gateway.admin.registry import Done, Make, Registry
    from llm_gateway.store.records import State

MOST_TOKENS = 2_000_000
"""Of a request to explain, which is made as large as that."""


class RouteService:
    """llmgateway.admin.v1.RouteService. registry: None where the configuration has no store."""

    def __init__(self, gateway: Administered, registry: Registry | None = None) -> None:
        self._gateway = gateway
        self._registry = registry

    async def GetRoute(self, request: route_pb2.GetRouteRequest, rpc: Rpc) -> route_pb2.GetRouteResponse:  # noqa: N802 - the contract's name
        return route_pb2.GetRouteResponse(route=self._route(self._named(request.name)))

    async def ListRoutes(self, request: route_pb2.ListRoutesRequest, rpc: Rpc) -> route_pb2.ListRoutesResponse:  # noqa: N802 - the contract's name
        known = resources.known("routes", self._gateway.settings, self._state)
        names, following = page(known, request.page_size, request.page_token)
        return route_pb2.ListRoutesResponse(routes=map(self._route, names), next_page_token=following)

    async def CreateRoute(self, request: route_pb2.CreateRouteRequest, rpc: Rpc) -> route_pb2.CreateRouteResponse:  # noqa: N802 - the contract's name
        resources.needed(self._registry)
        name = new_name("route_id", request.route_id)
        document = document_of(request.route.settings, _SETTINGS)

        def make(state: State) -> State:
            resources.unused("routes", name, self._gateway.settings, state)
            return _with_document(state, name, document)

        done = await self._change(rpc, name, make, request.validate_only)
        return route_pb2.CreateRouteResponse(route=self._route(name, done))

    async def UpdateRoute(self, request: route_pb2.UpdateRouteRequest, rpc: Rpc) -> route_pb2.UpdateRouteResponse:  # noqa: N802 - the contract's name
        resources.needed(self._registry)
        name = self._named(request.route.name, "route.name")

        def make(state: State) -> State:
            old = self._own(name, state, request.route.etag)
            document = updated(old, request.route.settings, request.update_mask.paths, "route")
            return state if document == old else _with_document(state, name, document)

        done = await self._change(rpc, name, make, request.validate_only)
        return route_pb2.UpdateRouteResponse(route=self._route(name, done))

    async def DeleteRoute(self, request: route_pb2.DeleteRouteRequest, rpc: Rpc) -> route_pb2.DeleteRouteResponse:  # noqa: N802 - the contract's name
        resources.needed(self._registry)
        name = self._named(request.name)

        def make(state: State) -> State:
            self._own(name, state, request.etag)
            return _with_document(state, name, None)

        await self._change(rpc, name, make, request.validate_only)
        return route_pb2.DeleteRouteResponse()

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

    # --- what they share

    @property
    def _state(self) -> State | None:
        return self._registry.state if self._registry is not None else None

    def _named(self, name: str, field: str = "name") -> str:
        return resources.looked_up("routes", name, self._gateway.settings, self._registry, field)

    def _own(self, name: str, state: State, etag: str) -> Document:
        """The document of one that was set at run time. Raises SetByFile for one of the file, and ResourceChanged."""
        document = state.entries.routes.get(name)
        if document is None:
            right = "or set a route of another name at run time"
            raise resources.refuse_files("routes", name, self._gateway.settings, right)
        resources.unchanged(etag, resources.etag_of(document), f"routes/{name}")
        return document

    async def _change(self, rpc: Rpc, name: str, make: Make, validate_only: bool) -> Done:
        return await resources.needed(self._registry).change(
            rpc,
            f"routes/{name}",
            make,
            lambda state: state.entries.routes.get(name),
            validate_only=validate_only,
            fields={} if rpc.path.endswith("/DeleteRoute") else {join("routes", name): _SETTINGS},
        )

    def _route(self, name: str, done: Done | None = None) -> route_pb2.Route:
        """As it is in force, or would be."""
        settings = done.settings if done is not None else self._gateway.settings
        state = done.state if done is not None else self._state
        document = resources.entries("routes", state).get(name)
        revision, time = resources.latest(self._registry, [("routes", name)])
        route = settings.routes.get(name) or config.Route()  # one that is not in force is only what was set
        split = route.experiment
        shown = route_pb2.Route(
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
            line=resources.line_of("routes", name, settings),
            source=resources.source_of("routes", name, settings, state),
            revision=revision,
            update_time=resources.stamp(time),
            etag=resources.etag_of(document if document is not None else route),
        )
        if document is not None:
            shown.settings.CopyFrom(settings_of(document, settings_pb2.RouteSettings))
        return shown


def _check_tokens(field: str, tokens: int, most: int | None = None) -> None:
    if tokens < 0 or (most is not None and tokens > most):
        right = "Give 0 or more." if most is None else f"Give 0 to {most}."
        raise InvalidRequest(violations=[Violation(field=field, description=right, reason="OUT_OF_RANGE")])


_SETTINGS = "route.settings"


def _with_document(state: State, name: str, document: Document | None) -> State:
    rest = {one: each for one, each in state.entries.routes.items() if one != name}
    routes = rest if document is None else {**rest, name: document}
    return replace(state, entries=replace(state.entries, routes=routes))


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
