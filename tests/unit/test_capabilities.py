"""What a request needs, against what is known of a model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway.catalogue.facts import ModelFacts
from llm_gateway.routing.needs import Lacks, needs_of
from llmgateway import make_request
from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2


def asking(**of: Any) -> gateway_pb2.SendRequest:
    """A request with these fields."""
    request = make_request("four" * 10)
    request.MergeFrom(gateway_pb2.SendRequest(**of))
    return request


def media(**of: Any) -> gateway_pb2.SendRequest:
    request = make_request("look")
    request.messages[0].parts.add(media=content_pb2.MediaPart(data=b"x", **of))
    return request


def in_a_tool_result(part: content_pb2.Part) -> gateway_pb2.SendRequest:
    request = make_request("go on")
    request.messages.add(role=content_pb2.ROLE_TOOL).parts.add().tool_result.parts.append(part)
    return request


def routing(**of: Any) -> gateway_pb2.SendRequest:
    return asking(routing=gateway_pb2.RoutingPolicy(**of))


TOOL = gateway_pb2.Tool(function=gateway_pb2.FunctionTool(name="f"))


@pytest.mark.parametrize(
    ("request_", "implied"),
    [
        (asking(), set()),
        (asking(tools=[TOOL]), {"tools"}),
        (
            asking(tools=[TOOL], tool_config=gateway_pb2.ToolConfig(parallel_tool_calls=True)),
            {"tools", "parallel_tools"},
        ),
        (asking(tools=[gateway_pb2.Tool(provider_tool=gateway_pb2.ProviderTool(type="search"))]), {"provider_tools"}),
        (asking(generation_config=gateway_pb2.GenerationConfig(candidate_count=2)), {"candidates"}),
        (asking(generation_config=gateway_pb2.GenerationConfig(logprobs=True)), {"logprobs"}),
        (asking(reasoning=gateway_pb2.ReasoningConfig(budget_tokens=9)), {"reasoning"}),
        (media(mime_type="image/png"), {"vision"}),
        (media(mime_type="audio/wav"), {"audio"}),
        (media(mime_type="video/mp4"), {"video"}),
        (media(mime_type="application/pdf"), {"documents"}),
        (media(modality=content_pb2.MODALITY_IMAGE), {"vision"}),
    ],
)
def test_needs_follow_from_what_the_request_holds(request_: gateway_pb2.SendRequest, implied: set[str]) -> None:
    """Nothing more and nothing less."""
    assert needs_of(request_).implied == implied
    assert needs_of(request_, stream=True).implied == implied | {"streaming"}


@given(
    st.lists(
        st.sampled_from(
            (
                asking(tools=[TOOL]),
                asking(reasoning=gateway_pb2.ReasoningConfig(budget_tokens=9)),
                asking(generation_config=gateway_pb2.GenerationConfig(candidate_count=2)),
                media(mime_type="image/png"),
                media(modality=content_pb2.MODALITY_AUDIO),
                make_request("four" * 300),
                in_a_tool_result(content_pb2.Part(media=content_pb2.MediaPart(mime_type="image/png"))),
            )
        ),
        max_size=3,
    ),
    st.lists(
        st.builds(
            ModelFacts,
            input_limit=st.sampled_from((None, 5, 20, 400, 5000)),
            capabilities=st.dictionaries(
                st.sampled_from(("tools", "vision", "audio", "reasoning", "streaming")), st.booleans()
            ),
        ),
        max_size=3,
    ),
    st.booleans(),
)
def test_who_is_spared_the_look_would_have_passed_it(
    parts: list[gateway_pb2.SendRequest], models: list[ModelFacts], stream: bool
) -> None:
    """A request that needs nothing of what some model lacks can be served by each of them; it is never the other way round."""
    request = make_request("hi")
    for part in parts:
        request.MergeFrom(part)
    if Lacks.of(models).spare(request, stream=stream):
        needs = needs_of(request, stream=stream)
        assert not any(needs.unmet("p", False, facts) for facts in models)


def test_a_request_that_meets_no_limit_is_spared_the_look() -> None:
    """The usual one: text and tools, for models that have all of it and room."""
    able = ModelFacts(input_limit=1000, capabilities={"tools": True, "vision": False, "audio": False})
    assert Lacks.of([able, ModelFacts()]).spare(asking(tools=[TOOL]), stream=True)
    assert not Lacks.of([able]).spare(media(mime_type="image/png"), stream=True)
    assert not Lacks.of([able]).spare(make_request("four" * 1001), stream=True)


def test_media_inside_tool_results_count_as_well() -> None:
    """An image that a tool returned needs vision."""
    request = make_request("look")
    result = request.messages.add(role=content_pb2.ROLE_TOOL).parts.add().tool_result
    result.parts.add(media=content_pb2.MediaPart(data=b"x", mime_type="image/png"))
    assert needs_of(request).implied == {"vision"}


@pytest.mark.parametrize(
    ("request_", "facts", "reasons"),
    [
        (asking(tools=[TOOL]), ModelFacts(), []),
        (asking(tools=[TOOL]), ModelFacts(capabilities={"tools": True}), []),
        (asking(tools=[TOOL]), ModelFacts(capabilities={"tools": False}), ["LACKS_TOOLS"]),
        (routing(required_capabilities=[model_pb2.MODEL_CAPABILITY_TOOLS]), ModelFacts(), ["UNKNOWN_TOOLS"]),
        (routing(excluded_providers=["p"]), ModelFacts(), ["PROVIDER_EXCLUDED"]),
        (routing(local_only=True), ModelFacts(), ["NOT_LOCAL"]),
        (routing(required_specialisations=["code"]), ModelFacts(), ["LACKS_SPECIALISATION_CODE"]),
        (routing(required_specialisations=["code"]), ModelFacts(specialisations=frozenset({"code"})), []),
        (asking(), ModelFacts(input_limit=10), []),
        (asking(), ModelFacts(input_limit=9), ["CONTEXT_TOO_SMALL"]),
        (routing(max_cost_nano_usd=5), ModelFacts(), ["PRICE_UNKNOWN"]),
    ],
)
def test_what_is_known_to_be_missing_excludes_and_the_unknown_only_where_it_was_required(
    request_: gateway_pb2.SendRequest, facts: ModelFacts, reasons: list[str]
) -> None:
    """Each with its reason."""
    assert needs_of(request_).unmet("p", False, facts) == reasons
