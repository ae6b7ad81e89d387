"""Why a request goes where it goes: the candidates, which are excluded and why, and in which order they are tried. Calls nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.errors import InvalidRequest, NoCapableTarget, Violation
from llm_gateway.routing.needs import CHARACTERS_PER_TOKEN
from llm_gateway.routing.strategies import STRATEGIES, Choice, by_affinity
from llm_gateway.routing.table import RoutingTable
from llm_gateway.routing.targets import Exclusion, Group, Route

MEDIA = {"vision": "image/png", "audio": "audio/wav", "video": "video/mp4", "documents": "application/pdf"}
NEEDS = ("tools", "parallel_tools", "json_schema", "reasoning", "logprobs", "candidates", "streaming", "local", *MEDIA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A target at an endpoint."""

    target: str
    deployment: str
    share: float
    """Of the group's calls, by weight; 0 to 1."""
    unavailable: str = ""
    """Why it takes no call now; "" when it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where a request would go."""

    route: str
    """"" for a named model."""
    strategy: str
    groups: Sequence[Sequence[Destination]]
    """The choice first, then each fallback, in the order in which they are tried (one possible order where the strategy is random); of an
    experiment all arms, of which a call gets one."""
    context: Sequence[Sequence[Destination]] = ()
    """The groups after a context overflow."""
    content: Sequence[Sequence[Destination]] = ()
    """The groups after a content refusal."""
    excluded: Sequence[tuple[str, tuple[str, ...]]] = ()
    """Target and reasons."""
    experiment: str = ""
    arms: Sequence[str] = ()
    """Of `experiment`, one for each candidate of the first group."""


def explain(
    table: RoutingTable, request: gateway_pb2.SendRequest, *, stream: bool = False, asked: bool = False
) -> Explanation:
    """What `table` does with this request now. Raises what RoutingTable.resolve raises, except NoCapableTarget, which it explains."""
    try:
        route = table.resolve(request, stream=stream, asked=asked, split=False)
    except NoCapableTarget as error:
        return Explanation(route=request.model, strategy="", groups=(), excluded=_named(error.excluded))

    def ordered(groups: Iterable[Group]) -> list[list[Destination]]:
        return [_ordered(route, group, Choice(random.Random(0), request, stream)) for group in groups]  # noqa: S311

    split = _arms(route, ordered)
    first = [[destination for _, destination in split]] if split else ordered(route.groups[:1])
    return Explanation(
        route=route.name,
        strategy="affinity" if route.affinity else route.strategy,
        groups=[*first, *ordered(route.groups[1:])],
        context=ordered(route.context_groups),
        content=ordered(route.content_groups),
        excluded=_named(route.excluded),
        experiment=route.experiment.name if route.experiment is not None else "",
        arms=[arm for arm, _ in split],
    )


def _arms(route: Route, ordered: Callable[[Iterable[Group]], list[list[Destination]]]) -> list[tuple[str, Destination]]:
    """Every arm of an experiment that can serve, at each of its endpoints, with its share of all calls."""
    if route.experiment is None:
        return []
    total = sum(arm.weight for arm in route.experiment.arms)
    return [
        (arm.name, replace(found, share=found.share * arm.weight / total))
        for arm, target in zip(route.experiment.arms, route.arms, strict=True)
        if target in route.groups[0]
        for found in ordered([(target,)])[0]
    ]


def _named(excluded: Iterable[Exclusion]) -> list[tuple[str, tuple[str, ...]]]:
    return [(exclusion.target.label, exclusion.reasons) for exclusion in excluded]


def _ordered(route: Route, group: Group, choice: Choice) -> list[Destination]:
    found = [(target, endpoint) for target in group for endpoint in target.provider.endpoints]
    total = sum(target.weight * endpoint.weight for target, endpoint in found) or 1.0
    ordered = by_affinity(found, route.affinity) if route.affinity else STRATEGIES[route.strategy](found, choice)
    return [
        Destination(
            target=target.label,
            deployment=endpoint.deployment,
            share=target.weight * endpoint.weight / total,
            unavailable=endpoint.state.unavailable(target.model),
        )
        for target, endpoint in ordered
    ]


def request_for(model: str, needs: Iterable[str] = (), *, input_tokens: int = 0) -> gateway_pb2.SendRequest:
    """A request to `model` that needs these. Raises InvalidRequest for a need that is not in NEEDS."""
    request = gateway_pb2.SendRequest(model=model)
    parts = request.messages.add(role=content_pb2.ROLE_USER).parts
    parts.add().text.text = "x" * (input_tokens * CHARACTERS_PER_TOKEN)
    for need in needs:
        match need:
            case "tools" | "parallel_tools":
                request.tools.add().function.name = "tool"
                if need == "parallel_tools":
                    request.tool_config.parallel_tool_calls = True
            case "json_schema":
                request.output_format.json_schema.SetInParent()
            case "reasoning":
                request.reasoning.effort = gateway_pb2.ReasoningConfig.EFFORT_LOW
            case "logprobs":
                request.generation_config.logprobs = True
            case "candidates":
                request.generation_config.candidate_count = 2
            case "local":
                request.routing.local_only = True
            case "streaming":
                pass  # said by the RPC, not by the request
            case _ if need in MEDIA:
                parts.add().media.mime_type = MEDIA[need]
            case _:
                known = f"Needs are {', '.join(NEEDS)}."
                raise InvalidRequest(known, violations=[Violation(field="needs", description=known)])
    return request
