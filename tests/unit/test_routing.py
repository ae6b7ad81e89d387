"""Names to targets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from llm_gateway import config
from llm_gateway.catalogue.facts import Listing, ModelFacts
from llm_gateway.errors import (
    InvalidRequest,
    NoCapableTarget,
    ProviderNotConfigured,
    ProviderUnreachable,
    UnknownModel,
)
from llm_gateway.providers.plugins import row
from llm_gateway.routing.table import ListsNeeded, RoutingTable
from llm_gateway.routing.targets import Provider, Route, Target, draw
from llmgateway import make_request
from llmgateway.v1 import gateway_pb2

FACTS = {("b", "m"): ModelFacts(capabilities={"tools": False}, input_limit=10)}


def provider(
    name: str, *models: str, default: str = "", endpoint: str | None = None, kind: str = "echo", **of: Any
) -> Provider:
    settings = config.Provider(kind=kind, endpoint=endpoint, default_model=default or None)
    return Provider(id=name, settings=settings, row=row(kind), endpoints=(), models=models, **of)


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
    arms = tuple(config.Arm(name=name, provider="openai", weight=weight) for name, weight in (("x", 3), ("y", 1)))
    split = config.Experiment(name="e", arms=arms, sticky="user")
    rng = random.Random(1)
    arm_of = {f"u{n}": draw(split, asking(end_user_id=f"u{n}"), rng) for n in range(4000)}
    assert 0.72 < Counter(arm_of.values())[0] / 4000 < 0.78
    assert all(draw(split, asking(end_user_id=user), rng) == arm for user, arm in list(arm_of.items())[:200])
    at_random = Counter(draw(split, asking(), rng) for _ in range(4000))
    assert 0.72 < at_random[0] / 4000 < 0.78


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


def listing(*names: str, chosen: str = "") -> Listing:
    return Listing(models=names, names=frozenset(names), chosen=chosen)


def listed(lists: Mapping[str, Listing | None], *declared: Provider, **of: Any) -> RoutingTable:
    """A table of providers that are known by their lists, and of others."""
    return table(*(provider(name) for name in lists), *declared, lists=lists.get, **of)


def test_a_name_that_only_lists_know_asks_for_them_once() -> None:
    """Configured names need none; once a name is found, the lists are not looked at."""
    lists: dict[str, Listing | None] = {"a": None, "b": listing("n")}
    looked: list[str] = []

    def look(name: str) -> Listing | None:
        looked.append(name)
        return lists[name]

    routing = table(provider("a"), provider("b"), ANTHROPIC, lists=look)
    assert labels(routing.resolve(asking(model="opus"))) == [["anthropic/opus"]]
    assert not looked
    with pytest.raises(ListsNeeded) as needed:
        routing.resolve(asking(model="m"))
    assert needed.value.providers == ("a",)
    lists["a"] = listing("m")
    assert labels(routing.resolve(asking(model="m"))) == [["a/m"]]
    looked.clear()
    assert labels(routing.resolve(asking(model="m"))) == [["a/m"]]
    assert not looked


def test_lists_that_are_missing_exclude_nothing_and_confuse_nothing() -> None:
    """One that names the model is enough; two are a choice that the caller makes; none is an error that helps."""
    down = Listing(error=ProviderUnreachable("It is down."))
    routing = listed({"a": listing("m", "both"), "b": listing("both"), "c": down, "d": None})
    assert labels(routing.resolve(asking(model="m"), asked=True)) == [["a/m"]]
    with pytest.raises(InvalidRequest, match="a/both, b/both"):
        routing.resolve(asking(model="both"), asked=True)
    with pytest.raises(UnknownModel, match=r"Did you mean a/both\?.*Could not read the models of c \(it is down\)"):
        routing.resolve(asking(model="bothh"), asked=True)


def test_what_is_configured_comes_before_what_is_listed() -> None:
    """A declared model, a default, an alias, a route and a provider's own name."""
    lists = {"a": listing("opus", "default", "alias", "openai", "r")}
    routes = {"r": Route(name="r", groups=((Target(provider=OPENAI, model="o"),),))}
    own = provider("own", default="default", aliases={"alias": "real"})
    routing = listed(lists, ANTHROPIC, OPENAI, own, routes=routes)
    for name, found in (
        ("opus", "anthropic/opus"),
        ("default", "own/default"),
        ("alias", "own/real"),
        ("openai", "openai/o"),
        ("r", "openai/o"),
    ):
        assert labels(routing.resolve(asking(model=name))) == [[found]], name


def test_the_only_provider_is_asked_for_any_name() -> None:
    """It answers for itself, and no list is needed."""
    assert labels(listed({"a": None}).resolve(asking(model="never-heard-of"))) == [["a/never-heard-of"]]


def test_the_default_model_is_one_of_the_default_provider() -> None:
    """Unless it is a name of its own: a route, provider/model, auto, or what the provider is declared not to serve."""
    routes = {"r": Route(name="r", groups=((Target(provider=ANTHROPIC, model="opus"),),))}
    for model, found in (
        ("new", "a/new"),
        ("org/new", "a/org/new"),
        ("openai/gpt", "openai/gpt"),
        ("r", "anthropic/opus"),
    ):
        routing = listed({"a": listing()}, ANTHROPIC, OPENAI, default_provider="a", default_model=model, routes=routes)
        assert labels(routing.resolve(asking())) == [[found]], model
    maker = listed({"a": listing("openai/gpt")}, OPENAI, default_provider="a", default_model="openai/gpt")
    assert labels(maker.resolve(asking())) == [["a/openai/gpt"]]
    named = table(provider("u", usual_model="usual"), OPENAI, default_provider="u", default_model="mine")
    assert labels(named.resolve(asking(provider="u"))) == labels(named.resolve(asking(model="u"))) == [["u/mine"]]
    closed = table(ANTHROPIC, OPENAI, default_provider="anthropic", default_model="gpt")
    assert labels(closed.resolve(asking())) == [["openai/gpt"]]


def test_without_a_word_of_the_operator_the_usual_model_serves_and_then_the_listed_one() -> None:
    """The operator's word first, then the kind's usual model, then what the list leaves no choice about."""
    usual = provider("u", usual_model="usual")
    assert labels(table(usual, OPENAI).resolve(asking())) == [["openai/o"]]
    assert labels(table(provider("x"), usual).resolve(asking())) == [["u/usual"]]
    assert labels(listed({"a": listing("m", "n", chosen="n")}).resolve(asking())) == [["a/n"]]
    with pytest.raises(ListsNeeded):
        listed({"a": None}).resolve(asking())


@pytest.mark.parametrize(
    ("known", "found"),
    [(listing("usual", "m", chosen="m"), "usual"), (listing("m", chosen="m"), "m"), (listing("m", "n"), "usual"), (Listing(), "usual")],
)  # fmt: skip
def test_at_a_foreign_address_the_list_tells_whether_the_usual_model_is_there(known: Listing, found: str) -> None:
    """A server that speaks a vendor's API need not have its models."""
    foreign = provider("f", usual_model="usual", endpoint="http://here.test")
    assert labels(table(foreign, lists=lambda name: known).resolve(asking())) == [[f"f/{found}"]]


def test_a_provider_without_any_default_names_three_models() -> None:
    """Or says that it serves deployments, or passes on why its list is missing."""
    with pytest.raises(
        InvalidRequest, match=r"a has no default model and lists 4 models, such as w, x, y\. .*--model a/w"
    ):
        listed({"a": listing("w", "x", "y", "z")}).resolve(asking())
    with pytest.raises(InvalidRequest, match="az/DEPLOYMENT"):
        table(provider("az", kind="azure_openai")).resolve(asking(provider="az"))
    with pytest.raises(ProviderUnreachable) as caught:
        listed({"a": Listing(error=ProviderUnreachable("It is down."))}).resolve(asking())
    assert caught.value.message == "a has no default model, and its models cannot be listed: it is down."


def test_a_model_of_another_provider_contradicts_the_one_that_is_named() -> None:
    """Unless the named one has a model of that name: makers' names stand before many."""
    routing = listed({"a": listing("openai/gpt-oss"), "c": None}, OPENAI, ANTHROPIC)
    assert labels(routing.resolve(asking(provider="a", model="openai/gpt-oss"))) == [["a/openai/gpt-oss"]]
    assert labels(routing.resolve(asking(provider="a", model="maker/m"))) == [["a/maker/m"]]
    assert labels(routing.resolve(asking(provider="claude", model="claude/opus"))) == [["anthropic/opus"]]
    assert labels(routing.resolve(asking(provider="openai", model="providers/openai/models/o"))) == [["openai/o"]]
    for provider_, model in (("a", "openai/gpt"), ("openai", "anthropic/opus"), ("openai", "claude/opus")):
        with pytest.raises(InvalidRequest, match="the call names provider") as caught:
            routing.resolve(asking(provider=provider_, model=model))
        assert caught.value.violations[0].field == "provider"
    with pytest.raises(ListsNeeded):
        routing.resolve(asking(provider="c", model="openai/gpt"))
    with pytest.raises(
        InvalidRequest, match="one of provider openai"
    ):  # its kind has no such names, so no list is needed
        table(OPENAI, provider("c", kind="openai"), lists=lambda name: None).resolve(
            asking(provider="c", model="openai/o")
        )


def test_every_arm_of_an_experiment_can_be_looked_at() -> None:
    """Without a draw all arms are the choice."""
    split = config.Experiment(name="e", arms=tuple(config.Arm(name=name, provider="openai") for name in ("gpt", "o")))
    arms = tuple(Target(provider=OPENAI, model=name) for name in ("gpt", "o"))
    route = Route(name="r", groups=(arms,), experiment=split, arms=arms)
    routing = table(OPENAI, routes={"r": route})
    assert labels(routing.resolve(asking(model="r"), split=False)) == [["openai/gpt", "openai/o"]]
    assert len(routing.resolve(asking(model="r")).groups[0]) == 1
