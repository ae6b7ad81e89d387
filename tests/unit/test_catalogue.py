"""What is known of a model: the operator before the provider's list before our table; and the lists made of it."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from llm_gateway import config
from llm_gateway.catalogue import known_models
from llm_gateway.catalogue.catalogue import MISSED, PATIENCE, Catalogue
from llm_gateway.catalogue.pauses import FRESH, FRESH_FAILURE, JITTER, SOON, Pauses
from llm_gateway.catalogue.pricing.pricelist import Price, PriceList, Row, Rows
from llm_gateway.catalogue.pricing.prices import Prices
from llm_gateway.config import ModelInfo, ModelPrice
from llm_gateway.errors import InvalidRequest, ProviderNotConfigured, ProviderUnreachable
from llm_gateway.providers import plugins
from llmgateway.v1 import content_pb2, model_pb2

from tests.support import virtual

TEXT, IMAGE, AUDIO = content_pb2.MODALITY_TEXT, content_pb2.MODALITY_IMAGE, content_pb2.MODALITY_AUDIO
DOCUMENT = content_pb2.MODALITY_DOCUMENT
TOOLS, SCHEMA = model_pb2.MODEL_CAPABILITY_TOOLS, model_pb2.MODEL_CAPABILITY_JSON_SCHEMA
LOGPROBS = model_pb2.MODEL_CAPABILITY_LOGPROBS
LIST = PriceList(
    source="s",
    lists={
        "openai": Rows(
            rows=(
                Row(
                    id="gpt-4o",
                    match=["starts_with", "gpt-4o"],
                    prices=(Price(rates={"input_tokens": ((-1, 5),), "output_tokens": ((-1, 6),)}),),
                    context=1,
                ),
                Row(id="new", match=["equals", "new"], prices=(Price(rates={"input_tokens": ((-1, 7),)}),), context=9),
            )
        )
    },
)


class Unmoved(random.Random):
    """Chance that changes nothing."""

    def random(self) -> float:
        return 0.0


class Shelf:
    """A catalogue of provider p, its list, a clock, and how often it was asked and told of changes."""

    def __init__(
        self,
        answer: Sequence[model_pb2.Model] | Exception,
        *,
        kind: str = "openai",
        local: bool = False,
        routes: dict[str, Any] | None = None,
        every: float = 0.0,
        **settings: Any,
    ) -> None:
        self.answer = answer
        self.now = 0.0
        self.asked = self.changes = 0
        provider = config.Provider(kind=kind, **settings)
        whole = config.Config(providers={"p": provider}, routes=routes or {})
        places = {"p"} if local else set[str]()
        self.prices = Prices(whole.providers, local=places, pricelist=LIST)
        self.catalogue = Catalogue(
            {"p": self._list},
            whole,
            self.prices,
            local=places,
            declared={"p": provider.models or ()},
            refreshed={"p": every} if every else {},
            changed=self._changed,
            clock=virtual.now if every else lambda: self.now,
            rng=Unmoved(),
        )

    async def _list(self) -> list[model_pb2.Model]:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return list(self.answer)

    def _changed(self) -> None:
        self.changes += 1

    async def all(self, **request: Any) -> list[model_pb2.Model]:
        answer = await self.catalogue.list_models(model_pb2.ListModelsRequest(**request))
        return list(answer.models)

    async def one(self) -> model_pb2.Model:
        (model,) = await self.all()
        return model


def listed(model_id: str, **fields: Any) -> model_pb2.Model:
    return model_pb2.Model(model_id=model_id, **fields)


async def test_a_bare_list_is_enriched_by_the_table_and_the_prices() -> None:
    """OpenAI lists ids only: limits, abilities, modalities and prices come from what we know."""
    model = await Shelf([listed("gpt-4o-2024-11-20")]).one()
    assert model.name == "providers/p/models/gpt-4o-2024-11-20"
    assert (model.input_token_limit, model.output_token_limit) == (128_000, 16_384)
    assert {TOOLS, SCHEMA, LOGPROBS} <= set(model.capabilities)
    assert list(model.input_modalities) == [TEXT, IMAGE, DOCUMENT]
    assert list(model.output_modalities) == [TEXT]
    assert (model.pricing.input_nano_usd_per_million, model.pricing.output_nano_usd_per_million) == (5, 6)
    assert not model.local


async def test_an_unknown_model_stays_unknown() -> None:
    """Nothing is made up: no limits, no abilities, no modalities, no price."""
    assert await Shelf([listed("gpt-of-ours")]).one() == listed(
        "gpt-of-ours", name="providers/p/models/gpt-of-ours", provider="p"
    )


async def test_a_model_that_only_the_price_list_knows_has_its_window() -> None:
    """The price list's window is the last resort, and an unknown output price is unset."""
    model = await Shelf([listed("new")]).one()
    assert model.input_token_limit == 9
    assert model.pricing == model_pb2.ModelPricing(input_nano_usd_per_million=7)


async def test_the_provider_s_list_wins_over_the_table() -> None:
    """Limits, abilities, modalities and prices that the endpoint publishes replace ours; its silence leaves them."""
    model = await Shelf(
        [
            listed(
                "gpt-4o",
                input_token_limit=3,
                capabilities=[model_pb2.MODEL_CAPABILITY_REASONING],
                input_modalities=[TEXT, AUDIO],
                pricing=model_pb2.ModelPricing(input_nano_usd_per_million=1),
            )
        ]
    ).one()
    assert (model.input_token_limit, model.output_token_limit) == (3, 16_384)
    assert {model_pb2.MODEL_CAPABILITY_REASONING, TOOLS} <= set(model.capabilities)
    assert list(model.input_modalities) == [TEXT, IMAGE, AUDIO, DOCUMENT]
    assert model.pricing.input_nano_usd_per_million == 1


async def test_the_operator_wins_over_all() -> None:
    """Name, aliases, limits, modalities, abilities, specialisations, age and prices."""
    info = ModelInfo(
        display_name="Ours",
        aliases=("smartest",),
        input_token_limit=10,
        output_token_limit=20,
        input_modalities=("text",),
        output_modalities=("text", "audio"),
        capabilities={"logprobs": False, "reasoning": True},
        specialisations=("law",),
        deprecated=True,
    )
    route = config.Route(targets=(config.Target(provider="p", model="gpt-4o"),))
    arms = (config.Arm(name="a", provider="p", model="gpt-4o"),)
    split = config.Route(experiment=config.Experiment(name="e", arms=arms))
    shelf = Shelf(
        [
            listed(
                "gpt-4o",
                display_name="GPT",
                aliases=["omni"],
                input_token_limit=3,
                pricing=model_pb2.ModelPricing(input_nano_usd_per_million=1),
            )
        ],
        model_info={"gpt-4o": info},
        prices={"*": ModelPrice(input=2)},
        routes={"chat": route, "split": split},
    )
    model = await shelf.one()
    assert (model.display_name, list(model.aliases)) == ("Ours", ["omni", "smartest", "chat", "split"])
    assert (model.input_token_limit, model.output_token_limit) == (10, 20)
    assert list(model.input_modalities) == [TEXT]
    assert list(model.output_modalities) == [TEXT, AUDIO]
    assert LOGPROBS not in model.capabilities
    assert model_pb2.MODEL_CAPABILITY_REASONING in model.capabilities
    assert list(model.specialisations) == ["law"]
    assert model.deprecated
    assert (model.pricing.input_nano_usd_per_million, model.pricing.output_nano_usd_per_million) == (2, 6)


async def test_local_models_are_free_whatever_a_list_says() -> None:
    """Price 0, which is not unknown."""
    price = model_pb2.ModelPricing(input_nano_usd_per_million=1)
    model = await Shelf([listed("llama", pricing=price)], kind="ollama", local=True).one()
    assert model.local
    assert model.pricing.HasField("input_nano_usd_per_million")
    assert model.pricing == model_pb2.ModelPricing(input_nano_usd_per_million=0, output_nano_usd_per_million=0)


async def test_required_capabilities_are_those_of_all_sources() -> None:
    """A model is listed when table, endpoint or operator say that it can, and the operator has not denied it."""
    shelf = Shelf(
        [listed("gpt-4o"), listed("gpt-4.1"), listed("new", capabilities=[TOOLS]), listed("gpt-of-ours")],
        model_info={"gpt-4.1": ModelInfo(capabilities={"tools": False})},
    )
    assert [model.model_id for model in await shelf.all(required_capabilities=[TOOLS])] == ["gpt-4o", "new"]


async def test_declared_models_take_the_place_of_the_list() -> None:
    """Only those are listed, with what the list says of them, and all the same when the provider does not answer."""
    shelf = Shelf([listed("gpt-4o", display_name="GPT"), listed("other")], models=("gpt-4o", "gpt-of-ours"))
    assert [(m.model_id, m.display_name) for m in await shelf.all()] == [("gpt-4o", "GPT"), ("gpt-of-ours", "")]
    gone = Shelf(ProviderUnreachable(), models=("gpt-4o",))
    answer = await gone.catalogue.list_models(model_pb2.ListModelsRequest())
    assert [model.model_id for model in answer.models] == ["gpt-4o"]
    assert list(answer.unreachable) == ["providers/p"]


async def test_a_list_is_kept_for_a_while_and_a_failure_for_less() -> None:
    """Within that time the provider is not asked; `refresh` asks; the last good list outlives a failure."""
    shelf = Shelf([listed("new")])
    await shelf.all()
    shelf.now = FRESH - 1
    await shelf.all()
    assert shelf.asked == 1
    await shelf.all(refresh=True)
    assert shelf.asked == 2
    shelf.answer = ProviderUnreachable()
    shelf.now += FRESH
    assert [model.model_id for model in await shelf.all()] == ["new"]
    await asyncio.sleep(0.01)
    shelf.now += FRESH_FAILURE
    answer = await shelf.catalogue.list_models(model_pb2.ListModelsRequest())
    assert list(answer.unreachable) == ["providers/p"]
    await asyncio.sleep(0.01)
    assert shelf.asked == 4


async def test_pages_follow_each_other_by_name() -> None:
    """The token leads on; the pages together are the list; a token of another question is refused, and so is a negative size."""
    shelf = Shelf([listed(f"m{number}") for number in (3, 1, 2)])
    first = await shelf.catalogue.list_models(model_pb2.ListModelsRequest(page_size=2))
    second = await shelf.catalogue.list_models(
        model_pb2.ListModelsRequest(page_size=2, page_token=first.next_page_token)
    )
    assert [model.model_id for model in (*first.models, *second.models)] == ["m1", "m2", "m3"]
    assert not second.next_page_token
    for request in (
        model_pb2.ListModelsRequest(page_token=first.next_page_token, provider="p"),
        model_pb2.ListModelsRequest(page_token="?"),
        model_pb2.ListModelsRequest(page_size=-1),
    ):
        with pytest.raises(InvalidRequest):
            await shelf.catalogue.list_models(request)
    with pytest.raises(ProviderNotConfigured):
        await shelf.all(provider="q")


# ---------------------------------------------------------------- facts for routing
async def test_facts_tell_can_from_cannot_from_unknown() -> None:
    """True, False and absent are three things; limits and price come with them."""
    facts = Shelf([]).catalogue.facts("p", "gpt-4o")
    assert facts.capabilities["tools"] is True
    assert facts.capabilities["reasoning"] is facts.capabilities["audio"] is False
    assert "video" in facts.capabilities
    assert (facts.input_limit, facts.output_limit) == (128_000, 16_384)
    assert [rates.input for rates in facts.rates] == [5]
    nothing = Shelf([]).catalogue.facts("p", "gpt-of-ours")
    assert nothing.capabilities == {}
    assert (nothing.input_limit, nothing.rates) == (None, ())


async def test_facts_change_when_a_list_comes_and_when_prices_do() -> None:
    """Routing is told; the same list again tells it nothing."""
    shelf = Shelf(
        [listed("gpt-of-ours", input_modalities=[TEXT, IMAGE])], model_info={"gpt-of-ours": ModelInfo(score=3)}
    )
    assert shelf.catalogue.facts("p", "gpt-of-ours").capabilities == {}
    await shelf.all()
    facts = shelf.catalogue.facts("p", "gpt-of-ours")
    assert facts.capabilities == {"vision": True, "audio": False, "video": False, "documents": False}
    assert facts.score == 3
    await shelf.all(refresh=True)
    assert shelf.changes == 1
    shelf.prices.pricelist = PriceList(source="t", lists={"openai": Rows(rows=())})
    await shelf.all()
    shelf.catalogue.refresh()
    assert shelf.changes == 2


async def test_new_prices_show_in_the_next_list() -> None:
    """What was made of the old prices is forgotten."""
    shelf = Shelf([listed("new")])
    assert (await shelf.one()).HasField("pricing")
    shelf.prices.pricelist = PriceList(source="t", lists={"openai": Rows(rows=())})
    shelf.catalogue.refresh()
    assert not (await shelf.one()).HasField("pricing")


# ---------------------------------------------------------------- names for routing
async def test_what_a_list_says_of_names_is_kept_and_renewed_in_the_background() -> None:
    """Nothing before somebody asks; then dated ids by their short names too, and the model to take where none is named."""
    shelf = Shelf([listed("m-20260101", aliases=["m-latest"]), listed("text-embedding-3-small")])
    catalogue = shelf.catalogue
    assert catalogue.listed("p") is None
    await catalogue.learn(["p"])
    known = catalogue.listed("p")
    assert known is not None
    assert known.names == {"m-20260101", "m", "m-latest", "text-embedding-3-small"}
    assert (known.models, known.chosen) == (("m-20260101",), "m-20260101")
    shelf.now, shelf.answer = FRESH, [listed("n"), listed("o", loaded=True)]
    assert catalogue.listed("p") is known
    await asyncio.sleep(0.01)
    renewed = catalogue.listed("p")
    assert renewed is not None
    assert (renewed.names >= {"n", "o"}, renewed.models, renewed.chosen) == (True, ("n", "o"), "o")
    assert (shelf.asked, shelf.changes) == (2, 2)


async def test_a_list_that_fails_leaves_the_names_that_are_known() -> None:
    """And says why where there are none; it is asked for again after a while, by nobody's leave."""
    shelf = Shelf(ProviderUnreachable("It is down."))
    await shelf.catalogue.learn(["p"])
    failed = shelf.catalogue.listed("p")
    assert failed is not None
    assert failed.error is not None
    assert failed.error.message == "It is down."
    shelf.now, shelf.answer = FRESH_FAILURE, [listed("m")]
    shelf.catalogue.listed("p")
    await asyncio.sleep(0.01)
    shelf.now, shelf.answer = FRESH_FAILURE + FRESH, ProviderUnreachable("It is down again.")
    shelf.catalogue.listed("p")
    await asyncio.sleep(0.01)
    known = shelf.catalogue.listed("p")
    assert known is not None
    assert (known.names, known.error) == (frozenset({"m"}), None)


def test_a_list_that_does_not_come_is_waited_for_once() -> None:
    """For PATIENCE, with one asking for all, whoever of them leaves; then it counts as missing until it comes."""

    async def main() -> None:
        shelf = Shelf([listed("m")])
        come = asyncio.Event()
        answer = shelf.catalogue._listers["p"]

        async def slow() -> list[model_pb2.Model]:
            await come.wait()
            return await answer()

        shelf.catalogue._listers = {"p": slow}
        began = virtual.now()
        first, second = (asyncio.create_task(shelf.catalogue.learn(["p"])) for _ in range(2))
        await asyncio.sleep(1)
        first.cancel()
        await second
        assert virtual.now() - began == PATIENCE
        late = shelf.catalogue.listed("p")
        assert late is not None
        assert late.error is not None
        await shelf.catalogue.learn(["p"])
        assert virtual.now() - began == PATIENCE
        come.set()
        await asyncio.sleep(0.01)
        known = shelf.catalogue.listed("p")
        assert known is not None
        assert (known.names, shelf.asked) == (frozenset({"m"}), 1)

    virtual.run(main())


async def test_a_reload_keeps_the_lists_of_providers_that_stay_as_they_were() -> None:
    """Those of others are asked for again."""
    shelf, same, other = Shelf([listed("m")]), Shelf([]), Shelf([], kind="xai")
    await shelf.catalogue.learn(["p"])
    same.catalogue.inherit(shelf.catalogue)
    other.catalogue.inherit(shelf.catalogue)
    assert same.catalogue.listed("p") == shelf.catalogue.listed("p")
    assert other.catalogue.listed("p") is None


# ---------------------------------------------------------------- in the background
def test_lists_are_asked_for_in_the_background_and_more_seldom_while_they_fail() -> None:
    """At its interval, whoever asked in between; a provider that is down after twice the time each time, up to the interval."""

    async def main() -> None:
        shelf = Shelf([listed("m")], every=60.0)
        times: list[float] = []
        answer = shelf._list

        async def noted() -> list[model_pb2.Model]:
            times.append(virtual.now() - began)
            return await answer()

        shelf.catalogue._listers = {"p": noted}
        began = virtual.now()
        shelf.catalogue.start()
        await asyncio.sleep(130)
        assert times == [0, 60, 120]
        await shelf.all(refresh=True)
        await asyncio.sleep(60)
        assert times[3:] == [130, 190]
        shelf.answer = ProviderUnreachable()
        await asyncio.sleep(260)
        assert times[5:] == [250, 255, 265, 285, 325, 385, 445]
        shelf.answer = [listed("n")]
        await asyncio.sleep(120)
        assert times[12:] == [505, 565]
        shelf.catalogue.stop()
        await asyncio.sleep(600)
        assert len(times) == 14

    virtual.run(main())


def test_no_call_waits_for_a_provider_that_is_known_to_be_down() -> None:
    """However long it says nothing: names and lists are what they were; closing gives up the request."""

    async def main() -> None:
        shelf = Shelf([listed("m")], every=60.0)
        shelf.catalogue.start()
        await asyncio.sleep(1)
        given_up = asyncio.Event()

        async def silent() -> list[model_pb2.Model]:
            try:
                await asyncio.sleep(1e6)
            finally:
                given_up.set()
            return []

        shelf.catalogue._listers = {"p": silent}
        await asyncio.sleep(70)
        began = virtual.now()
        known = shelf.catalogue.listed("p")
        assert known is not None
        assert known.models == ("m",)
        assert [model.model_id for model in await shelf.all()] == ["m"]
        await shelf.catalogue.learn(["p"])
        assert virtual.now() == began
        assert not given_up.is_set()
        await shelf.catalogue.aclose()
        assert given_up.is_set()

    virtual.run(main())


def test_chance_shortens_pauses_and_never_lengthens_them() -> None:
    """Gateways that start together do not go on asking together, and no list grows older than it may."""
    pauses = Pauses({"p": 60.0}, random.Random(1))
    found = [pauses.after("p", True) for _ in range(1000)]
    assert 60 * (1 - JITTER) <= min(found) < 60 * (1 - JITTER) + 1
    assert 59 < max(found) <= 60
    assert 0 <= pauses.first() <= SOON
    failing = [pauses.after("p", False) for _ in range(6)]
    assert all(most * (1 - JITTER) <= one <= most for one, most in zip(failing, (5, 10, 20, 40, 60, 60), strict=True))
    assert pauses.after("p", True) > 60 * (1 - JITTER)
    assert pauses.after("p", False) <= FRESH_FAILURE


async def test_a_model_that_a_list_lacks_is_marked_before_it_is_left_out() -> None:
    """Its name is known meanwhile, but it is not offered; a list that has it again takes the mark away. A list that fails counts for nothing."""
    shelf = Shelf([listed("m"), listed("n")])
    await shelf.all()
    for answer in ([listed("m")], ProviderUnreachable(), [listed("m")]):
        shelf.answer = answer
        models = {model.model_id: model for model in await shelf.all(refresh=True)}
        assert models["n"].HasField("missing_since")
        assert not models["m"].HasField("missing_since")
        known = shelf.catalogue.listed("p")
        assert known is not None
        assert (known.models, "n" in known.names) == (("m",), True)
    since = models["n"].missing_since
    shelf.answer = [listed("m"), listed("n")]
    assert not any(model.HasField("missing_since") for model in await shelf.all(refresh=True))
    shelf.answer = [listed("m")]
    for _ in range(MISSED - 1):
        found = await shelf.all(refresh=True)
        assert found[1].missing_since.seconds >= since.seconds
    assert [model.model_id for model in await shelf.all(refresh=True)] == ["m"]


# ---------------------------------------------------------------- the table
@pytest.mark.parametrize(
    ("kind", "model", "context"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", 128_000),
        ("openai", "gpt-5.4-mini-2026-03-17", 400_000),
        ("azure_openai", "gpt-5.4", 1_050_000),
        ("anthropic", "claude-opus-4-1-20250805", 200_000),
        ("anthropic", "claude-sonnet-4-6", 1_000_000),
        ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 200_000),
        ("bedrock", "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-5-5-v1:0", 1_000_000),
        ("vertex", "publishers/anthropic/models/claude-opus-4-5@20251101", 200_000),
        ("vertex", "gemini-2.5-flash-lite", 1_048_576),
        ("gemini", "models/gemini-3-pro-preview", 1_048_576),
        ("xai", "grok-4.20-reasoning", 1_000_000),
        ("perplexity", "sonar-pro", 200_000),
    ],
)
def test_dated_and_prefixed_ids_belong_to_their_family(kind: str, model: str, context: int) -> None:
    """The longest family that the id begins with, whatever stands before the model's own name."""
    known = known_models.find(kind, model)
    assert known is not None
    assert known.context == context


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("openai", "gpt-4o-audio-preview"),
        ("openai", "gpt-4o-realtime-preview"),
        ("openai", "gpt-4o-transcribe"),
        ("openai", "gpt-5-search-api"),
        ("openai", "gpt-5.1-chat-latest"),
        ("openai", "text-embedding-3-small"),
        ("gemini", "gemini-2.5-flash-preview-tts"),
        ("gemini", "gemini-3-pro-image-preview"),
        ("gemini", "gemini-3.8-live"),
        ("openai_compatible", "gpt-4o"),
        ("ollama", "llama3"),
    ],
)
def test_other_trades_and_other_providers_are_unknown(kind: str, model: str) -> None:
    """Speech, images, search and embeddings are not what their family's chat models are."""
    assert known_models.find(kind, model) is None


def test_a_model_that_does_not_reason_says_so_in_its_name() -> None:
    """xAI sells both as models of their own."""
    known = known_models.find("xai", "grok-4-fast-non-reasoning")
    assert known is not None
    assert "reasoning" in known.cannot - known.can


def test_no_family_can_and_cannot_the_same() -> None:
    """The table does not contradict itself, and knows no needs but those of routing."""
    words = {
        *("streaming", "tools", "parallel_tools", "json_schema", "reasoning", "prompt_caching", "logprobs"),
        *("provider_tools", "candidates", "vision", "audio", "video", "documents"),
    }
    for kind, row in plugins.rows().items():
        for family, known in row.known.items():
            assert not known.can & known.cannot, (kind, family)
            assert known.can | known.cannot <= words, (kind, family)


OTHERS = (
    "text-embedding-3-small", "whisper-1", "tts-1", "gpt-4o-mini-tts", "gpt-4o-transcribe", "dall-e-3", "gpt-image-1", "chatgpt-image-latest",
    "omni-moderation-latest", "gpt-realtime", "gpt-4o-realtime-preview", "sora-2", "davinci-002", "gpt-3.5-turbo-instruct", "mistral-embed",
    "codestral-embed-2505", "mistral-ocr-latest", "mistral-moderation-latest", "gemini-embedding-001", "gemini-live-2.5-flash",
    "gemini-2.5-flash-preview-tts", "gemini-2.5-flash-native-audio-latest", "imagen-4.0-generate-001", "veo-3.0-generate-preview",
    "multimodalembedding@001", "cohere.embed-english-v3", "us.cohere.embed-v4:0", "amazon.titan-embed-text-v2:0", "amazon.rerank-v1:0",
    "amazon.titan-image-generator-v2:0", "us.stability.stable-image-core-v1:1", "amazon.nova-canvas-v1:0", "grok-2-image-1212",
    "grok-imagine-0.9", "nomic-embed-text:latest", "bge-m3", "all-minilm:latest", "text-embedding-nomic-embed-text-v1.5",
    "whisper-large-v3-turbo", "playai-tts", "black-forest-labs/FLUX.1-dev", "intfloat/e5-mistral-7b-instruct",
)  # fmt: skip
CHATTERS = (
    "gpt-4o", "gpt-4o-audio-preview", "gpt-5.1-chat-latest", "o3-deep-research", "computer-use-preview", "codex-mini-latest",
    "gemini-2.5-flash-image", "gemini-3.8-flash", "voxtral-small-latest", "mistral-small-latest", "us.anthropic.claude-opus-4-8-v1:0",
    "us.amazon.nova-2-lite-v1:0", "grok-4.6", "llama3.2:latest", "deepseek-r1:latest", "qwen2-vl-7b-instruct", "openai/gpt-oss-120b",
    "accounts/fireworks/models/llama-v3p1-405b-instruct", "command-r-plus",
)  # fmt: skip


async def test_models_that_do_not_chat_are_not_listed() -> None:
    """Those that embed, rank, speak, hear, draw or moderate, by their names where the list says nothing of them."""
    shelf = Shelf([listed(model) for model in (*OTHERS, *CHATTERS)])
    found = await shelf.catalogue.list_models(model_pb2.ListModelsRequest(page_size=1000))
    assert sorted(model.model_id for model in found.models) == sorted(CHATTERS)


async def test_what_a_list_says_of_a_model_counts_for_more_than_its_name() -> None:
    """A model that writes text chats, one that only speaks does not."""
    models = [
        listed("my-embed-talker", output_modalities=[content_pb2.MODALITY_TEXT]),
        listed("singer", output_modalities=[content_pb2.MODALITY_AUDIO]),
    ]
    found = await Shelf(models).catalogue.list_models(model_pb2.ListModelsRequest())
    assert [model.model_id for model in found.models] == ["my-embed-talker"]
