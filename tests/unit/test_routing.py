"""Names to targets."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from llm_gateway.capabilities import ModelFacts
from llm_gateway.errors import InvalidRequest, NoCapableTarget, ProviderNotConfigured, UnknownModel
from llm_gateway.routing import Arm, Experiment, Provider, Route, RoutingTable, Target
from llmgateway import make_request
from llmgateway.v1 import gateway_pb2

FACTS = {("b", "m"): ModelFacts(capabilities={"tools": False}, input_limit=10)}


def provider(name: str, *models: str, default: str = "", **of: Any) -> Provider:
    return Provider(id=name, kind="echo", endpoints=(), models=models, default_model=default, **of)


def table(*providers: Provider, routes: dict[str, Route] | None = None, **of: Any) -> RoutingTable:
    return RoutingTable(
        providers={one.id: one for one in providers},
        routes=routes or {},
        facts=lambda name, model: FACTS.get((name, model), ModelFacts()),
        rng=random.Random(1),
        **of,
    )


def labels(route: Route) -> list[list[str]]:
    return [[target.label for target in group] for group in route.groups]


def asking(**of: Any) -> gateway_pb2.SendRequest:
    request = make_request("hi")
    request.MergeFrom(gateway_pb2.SendRequest(**of))
    return request


ANTHROPIC = provider("anthropic", "opus")
OPENAI = provider("openai", "gpt", "o", default="o")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("anthropic/opus", "anthropic/opus"),
        ("anthropic/never-heard-of", "anthropic/never-heard-of"),
        ("claude/opus", "anthropic/opus"),
        ("providers/openai/models/gpt", "openai/gpt"),
        ("opus", "anthropic/opus"),
        ("openai", "openai/o"),
        ("anthropic", "anthropic/opus"),
        ("openai/org/model:tag", "openai/org/model:tag"),
    ],
)
def test_a_name_means_one_target(name: str, found: str) -> None:
    """With and without its provider, by alias, by resource name, with slashes of its own."""
    assert labels(table(ANTHROPIC, OPENAI).resolve(asking(model=name))) == [[found]]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (asking(model="nothing"), UnknownModel),
        (asking(provider="nobody"), ProviderNotConfigured),
        (asking(model="both"), InvalidRequest),
    ],
)
def test_a_name_that_means_nothing_or_too_much_is_refused(
    request_: gateway_pb2.SendRequest, error: type[Exception]
) -> None:
    """With what there is in the message."""
    with pytest.raises(error):
        table(provider("a", "both"), provider("b", "both")).resolve(request_)


def test_without_a_name_the_default_is_meant() -> None:
    """The default model, else the default provider, else the first that has one."""
    assert labels(table(ANTHROPIC, OPENAI, default_model="openai/gpt").resolve(asking())) == [["openai/gpt"]]
    assert labels(table(ANTHROPIC, OPENAI, default_provider="openai").resolve(asking())) == [["openai/o"]]
    assert labels(table(ANTHROPIC, OPENAI).resolve(asking())) == [["anthropic/opus"]]


def test_metadata_wins_over_the_body() -> None:
    """x-llm-model and x-llm-provider."""
    route = table(ANTHROPIC, OPENAI).resolve(asking(model="opus"), provider="openai", model="gpt")
    assert labels(route) == [["openai/gpt"]]


def test_auto_means_every_model_that_can_serve() -> None:
    """What a target is known to lack excludes it, with the reason."""
    found = table(provider("a", "m"), provider("b", "m"))
    tools = [gateway_pb2.Tool(function=gateway_pb2.FunctionTool(name="f"))]
    route = found.resolve(asking(model="auto", tools=tools))
    assert labels(route) == [["a/m"]]
    assert [(e.target.label, e.reasons) for e in route.excluded] == [("b/m", ("LACKS_TOOLS",))]


def test_a_model_that_was_named_answers_for_itself_unless_the_caller_requires_more() -> None:
    """Implied needs exclude only where there is a choice; the error names what excluded whom."""
    found = table(provider("b", "m"))
    tools = [gateway_pb2.Tool(function=gateway_pb2.FunctionTool(name="f"))]
    assert labels(found.resolve(asking(model="b/m", tools=tools))) == [["b/m"]]
    local = gateway_pb2.RoutingPolicy(local_only=True)
    with pytest.raises(NoCapableTarget, match="b/m: NOT_LOCAL"):
        found.resolve(asking(model="b/m", routing=local))


def test_policy_replaces_or_forbids_fallbacks_and_bounds_attempts() -> None:
    """At most ten attempts, whatever is asked for."""
    targets = [Target(provider=OPENAI, model=model) for model in ("gpt", "o")]
    routes = {"r": Route(name="r", groups=((targets[0],), (targets[1],)))}
    found = table(ANTHROPIC, OPENAI, routes=routes)
    policy = gateway_pb2.RoutingPolicy
    assert labels(found.resolve(asking(model="r", routing=policy(disable_fallback=True)))) == [["openai/gpt"]]
    replaced = found.resolve(asking(model="r", routing=policy(fallback_models=["opus"], max_attempts=99)))
    assert (labels(replaced), replaced.max_attempts) == ([["openai/gpt"], ["anthropic/opus"]], 10)


def test_an_experiment_keeps_who_sticks_on_one_arm_and_splits_by_weight() -> None:
    """Three to one over 4,000 users; each always the same; no key at random."""
    arms = tuple(
        Arm(name=name, target=Target(provider=OPENAI, model=name, weight=weight))
        for name, weight in (("x", 3), ("y", 1))
    )
    split = Experiment(name="e", arms=arms, sticky="user")
    rng = random.Random(1)
    arm_of = {f"u{n}": split.arm(asking(end_user_id=f"u{n}"), rng).name for n in range(4000)}
    assert 0.72 < Counter(arm_of.values())["x"] / 4000 < 0.78
    assert all(split.arm(asking(end_user_id=user), rng).name == arm for user, arm in list(arm_of.items())[:200])
    at_random = Counter(split.arm(asking(), rng).name for _ in range(4000))
    assert 0.72 < at_random["x"] / 4000 < 0.78


def test_a_resolved_route_is_a_snapshot() -> None:
    """Another table changes nothing for a call that has its route."""
    before = table(OPENAI).resolve(asking(model="openai/gpt"))
    table(provider("openai", "gpt2")).resolve(asking(model="gpt2"))
    assert labels(before) == [["openai/gpt"]]


def test_auto_is_one_route_as_long_as_the_models_are_the_same() -> None:
    """What is kept by target, a retry budget say, is not begun anew by every call."""
    routing = table(ANTHROPIC, OPENAI)
    first, second = (routing.resolve(asking(model="auto")) for _ in range(2))
    assert [id(target) for target in first.groups[0]] == [id(target) for target in second.groups[0]]


def test_without_fallback_an_excluded_first_choice_is_not_replaced_by_its_fallback() -> None:
    """Metadata says it as the request's policy does."""
    first = Target(provider=provider("b"), model="m", facts=FACTS["b", "m"])
    second = Target(provider=ANTHROPIC, model="opus")
    routing = table(ANTHROPIC, routes={"r": Route(name="r", groups=((first,), (second,)))})
    request = asking(model="r", tools=[gateway_pb2.Tool(function=gateway_pb2.FunctionTool(name="f"))])
    assert labels(routing.resolve(request)) == [["anthropic/opus"]]
    with pytest.raises(NoCapableTarget):
        routing.resolve(request, fallback=False)
