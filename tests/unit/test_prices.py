"""The cost of a usage: against genai-prices itself, and where prices come from."""

import asyncio
import datetime
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from llm_gateway import config
from llm_gateway.catalogue.pricing import export, source
from llm_gateway.catalogue.pricing.pricelist import Price, PriceList, Row, Rows, matches, tiers
from llm_gateway.catalogue.pricing.prices import Prices
from llm_gateway.catalogue.pricing.rates import Rates, tier
from llm_gateway.catalogue.pricing.total import total_usage
from llm_gateway.config import ModelPrice
from llm_gateway.protocols.events import EventWriter
from llm_gateway.providers import plugins
from llmgateway.v1 import content_pb2, gateway_pb2, usage_pb2
from structlog.testing import capture_logs

BIG = ("openai", "azure", "anthropic", "google", "aws", "mistral", "x-ai", "deepseek", "groq", "cerebras", "perplexity")
AUDIO, IMAGE, VIDEO = content_pb2.MODALITY_AUDIO, content_pb2.MODALITY_IMAGE, content_pb2.MODALITY_VIDEO
MOMENTS = tuple(
    datetime.datetime.fromisoformat(f"{text}+00:00")
    for text in ("2025-06-01T12:00:00", "2026-11-20T02:30:00", "2026-11-20T20:00:00", "2027-01-01T00:00:00")
)
CONTEXTS: tuple[dict[str, str], ...] = (
    {},
    {"service_tier": "default"},
    {"service_tier": "flex"},
    {"service_tier": "priority"},
    {"speed": "fast"},
)


@pytest.fixture(scope="module")
def pricelist() -> PriceList:
    """The lists of all kinds, as the other process writes them."""
    return PriceList.decode(
        json.dumps(export.price_lists(sorted({row.prices for row in plugins.rows().values() if row.prices}))).encode()
    )


def usage_of_any_kind(rng: random.Random) -> usage_pb2.Usage:
    """Counts that fit together: parts are never more than their totals."""
    size = rng.choice((10, 1_000, 150_000, 400_000))
    read, short, long = (rng.choice((0, rng.randint(0, size))) for _ in range(3))
    usage = usage_pb2.Usage(cache_read_input_tokens=read, cache_write_input_tokens=short + long)
    if long:
        usage.cache_write_by_ttl.add(tokens=long).ttl.seconds = 3600
    total, left, written = rng.randint(0, size), read, rng.randint(0, 5_000)
    spoken = 0
    for modality in (AUDIO, IMAGE, VIDEO):
        if rng.random() < 0.3:
            cached, fresh, said = rng.randint(0, left), rng.randint(0, size), rng.randint(0, 500)
            left -= cached
            total += fresh
            spoken += said
            usage.input_by_modality.add(modality=modality, tokens=fresh + cached)
            usage.cache_read_by_modality.add(modality=modality, tokens=cached)
            usage.output_by_modality.add(modality=modality, tokens=said)
    usage.input_tokens = total + read + short + long
    usage.reasoning_output_tokens = rng.randint(0, written)
    usage.output_tokens = written + spoken
    if rng.random() < 0.3:
        usage.provider_tool_uses["web_search"] = rng.randint(1, 5)
        usage.provider_tool_uses["file_search"] = rng.randint(1, 5)
    return usage


def theirs(usage: usage_pb2.Usage) -> TheirUsage:
    """The same usage in the words of genai-prices."""
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_input_tokens,
        "cache_write_tokens": usage.cache_write_input_tokens,
        "cache_write_1h_tokens": sum(kept.tokens for kept in usage.cache_write_by_ttl),
        "output_reasoning_tokens": usage.reasoning_output_tokens,
        "web_searches": usage.provider_tool_uses.get("web_search", 0),
        "storage_searches": usage.provider_tool_uses.get("file_search", 0),
    }
    for field, before, after in (
        (usage.input_by_modality, "input", "tokens"),
        (usage.cache_read_by_modality, "cache", "read_tokens"),
        (usage.output_by_modality, "output", "tokens"),
    ):
        for one in field:
            counts[f"{before}_{content_pb2.Modality.Name(one.modality)[9:].lower()}_{after}"] = one.tokens
    return TheirUsage(**counts)


def listed_models() -> Iterator[tuple[str, Any]]:
    """Provider and model; of OpenRouter's thousand every tenth. Azure has OpenAI's models too, by their list."""
    for provider in get_snapshot().providers:
        if provider.id in {*BIG, "openrouter"}:
            for model in provider.models[:: 10 if provider.id == "openrouter" else 1]:
                yield provider.id, model
                if provider.id == "openai":
                    yield "azure", model


@pytest.mark.no_cover
def test_costs_are_those_of_genai_prices_to_half_a_nano_usd(pricelist: PriceList) -> None:
    """Every model of the big providers, many usages, moments, tiers: our integers against its decimals."""
    rng = random.Random(1)
    compared = 0
    for provider, model in listed_models():
        for _ in range(4):
            usage, moment, context = usage_of_any_kind(rng), rng.choice(MOMENTS), rng.choice(CONTEXTS)
            found = pricelist.price(provider, model.id, context, moment.timestamp())
            try:
                expected = calc_price(
                    theirs(usage), model.id, provider_id=provider, genai_request_timestamp=moment, price_context=context
                )
            except LookupError:
                assert found is None
                continue
            assert found is not None
            price, rates, _ = found
            cost = tier(tiers(price, rates), usage.input_tokens).cost(usage)
            unknown = expected.model_price.input_mtok is None or (
                expected.model_price.output_mtok is None and usage.output_tokens
            )
            if unknown:
                assert cost is None, (provider, model.id)
                continue
            assert cost is not None, (provider, model.id, usage)
            assert abs(cost - expected.total_price * 10**9) <= Decimal("0.5"), (provider, model.id, context, usage)
            compared += 1
    assert compared > 1_500


@pytest.mark.no_cover
def test_names_lead_to_the_rows_that_genai_prices_finds(pricelist: PriceList) -> None:
    """Ids, dated ids, regional and prefixed ids, capitals."""
    providers = {provider.id: provider for provider in get_snapshot().providers}
    for provider, model in listed_models():
        for name in (
            model.id,
            f"{model.id}-20261001",
            f"{model.id}-2026-10-01",
            f"us.{model.id}",
            model.id.upper(),
            "?",
        ):
            expected = providers[provider].find_model(name, all_providers=list(providers.values()))
            found = pricelist.find(provider, name)
            assert (found and found[1].id) == (expected and expected.id), (provider, name)


def test_a_price_says_until_when_it_holds(pricelist: PriceList) -> None:
    """At no moment before `until` does another price hold; prices by the hour change within the day."""
    now = MOMENTS[1].timestamp()
    rng = random.Random(2)
    changing = 0
    for provider, model in listed_models():
        if provider == "openrouter" or not isinstance(model.prices, list):
            continue
        first = pricelist.price(provider, model.id, {}, now)
        if first is None:
            continue
        price, _, until = first
        until = min(until, now + 400 * 86_400)
        for moment in (rng.uniform(now, until), until - 1):
            assert pricelist.price(provider, model.id, {}, moment)[0] == price  # type: ignore[index]  # it is listed
        changing += until < now + 86_400
    assert changing


def test_a_price_by_the_hour_may_span_midnight() -> None:
    """From 22 to 4 o'clock, the rest of the day has the first price; the change is announced."""
    row = Row(
        id="m",
        match=["equals", "m"],
        prices=(
            Price(rates={"input_tokens": ((-1, 2),)}),
            Price(rates={"input_tokens": ((-1, 1),)}, daily=(79_200, 14_400)),
        ),
    )
    lists = PriceList(source="s", lists={"p": Rows(rows=(row,))})
    for hour, rate, until in ((21, 2, 22), (23, 1, 28), (3, 1, 4), (4, 2, 22)):
        name, rates, change = lists.price("p", "m", {}, hour * 3600.0)  # type: ignore[misc]  # it is listed
        assert (rates["input_tokens"], change) == (((-1, rate),), until * 3600.0), hour
        assert name == ("s:p:m:2200-0400" if rate == 1 else "s:p:m")


@pytest.mark.parametrize(
    ("test", "name", "expected"),
    [
        (["equals", "GPT-5"], "gpt-5", True),
        (["starts_with", "gpt"], "my-gpt", False),
        (["ends_with", "5"], "gpt-5", True),
        (["contains", "t-"], "gpt-5", True),
        (["regex", "^g.t"], "gpt-5", True),
        (["or", ["equals", "x"], ["equals", "gpt-5"]], "gpt-5", True),
        (["and", ["contains", "gpt"], ["contains", "4"]], "gpt-5", False),
        (["unheard of", "gpt-5"], "gpt-5", False),
    ],
)
def test_tests_of_names(test: list[Any], name: str, expected: bool) -> None:
    """Each kind of test; one of a newer list holds for nothing."""
    assert matches(test, name) is expected


# ---------------------------------------------------------------- arithmetic
RATES = Rates.of(
    "r",
    -1,
    {
        "input_tokens": 1_000_000,
        "output_tokens": 8_000_000,
        "cache_read_tokens": 100_000,
        "cache_write_tokens": 1_250_000,
        "cache_write_1h_tokens": 2_000_000,
        "input_audio_tokens": 5_000_000,
        "web_searches": 10_000_000_000_000,
    },
)


def usage(**fields: Any) -> usage_pb2.Usage:
    return usage_pb2.Usage(**fields)


def by(modality: content_pb2.Modality.ValueType, tokens: int) -> list[usage_pb2.ModalityTokens]:
    return [usage_pb2.ModalityTokens(modality=modality, tokens=tokens)]


def test_parts_are_disjoint_and_each_has_its_rate() -> None:
    """Fresh input, cache read, both cache writes, output and reasoning once, a search."""
    used = usage(input_tokens=100, output_tokens=10, cache_read_input_tokens=40, cache_write_input_tokens=30)
    used.reasoning_output_tokens = 5
    used.cache_write_by_ttl.add(tokens=20).ttl.seconds = 3600
    used.cache_write_by_ttl.add(tokens=10).ttl.seconds = 300
    used.provider_tool_uses["web_search"] = 2
    used.provider_tool_uses["bash"] = 7
    assert RATES.cost(used) == 30 * 1 + 40 // 10 + 20 * 2 + 12.5 + 10 * 8 + 2 * 10_000_000 + 0.5


def test_audio_has_its_rate_and_is_no_text() -> None:
    """The part of the input that is audio is taken out of the text; cached audio has the cache's rate."""
    used = usage(input_tokens=100, input_by_modality=by(AUDIO, 60))
    assert RATES.cost(used) == 40 + 60 * 5
    used = usage(
        input_tokens=100,
        cache_read_input_tokens=20,
        input_by_modality=by(AUDIO, 60),
        cache_read_by_modality=by(AUDIO, 20),
    )
    assert RATES.cost(used) == 40 + 40 * 5 + 2


@pytest.mark.parametrize(
    "used",
    [
        usage(input_tokens=10, cache_read_input_tokens=11),
        usage(output_tokens=10, reasoning_output_tokens=11),
        usage(input_tokens=10, input_by_modality=by(AUDIO, 11)),
        usage(input_tokens=10, input_by_modality=by(AUDIO, 1), cache_read_by_modality=by(AUDIO, 2)),
    ],
)
def test_parts_that_exceed_their_total_have_no_cost(used: usage_pb2.Usage) -> None:
    """What does not add up is flagged by an unset cost, not guessed."""
    assert RATES.cost(used) is None


def test_unknown_rates_are_unknown_costs_and_none_is_zero() -> None:
    """A model whose output has no price costs nothing known once it has written something."""
    embedding = Rates.of("e", -1, {"input_tokens": 20_000})
    assert embedding.cost(usage(input_tokens=1_000_000)) == 20_000
    assert embedding.cost(usage(input_tokens=1, output_tokens=1)) is None
    assert embedding.estimate(1, 0) is None
    assert Rates.of("n", -1, {}).cost(usage(input_tokens=1)) is None


def test_the_tier_is_chosen_by_all_input_and_holds_for_the_whole_request() -> None:
    """Above the threshold, cached input included, every token has the higher rate; at the threshold none."""
    steps = {"input_tokens": ((-1, 1_000_000), (200, 2_000_000)), "output_tokens": ((-1, 1_000_000),)}
    both = tiers("m", steps)
    assert [(one.id, one.above) for one in both] == [("m", -1), ("m:over-200", 200)]
    assert [tier(both, used).id for used in (0, 200, 201)] == ["m", "m", "m:over-200"]
    assert tier(both, 201).cost(usage(input_tokens=201, cache_read_input_tokens=200)) == 402


# ---------------------------------------------------------------- where prices come from
NOW = MOMENTS[1].timestamp()


def prices(kind: str, pricelist: PriceList | None, *, local: bool = False, **settings: Any) -> Prices:
    providers = {"p": config.Provider(kind=kind, **settings)}
    return Prices(providers, local={"p"} if local else (), pricelist=pricelist, clock=lambda: NOW)


def priced(table: Prices, model: str, used: usage_pb2.Usage, *, served: str = "", **known: Any) -> usage_pb2.Usage:
    """The usage with its cost, of an answer of which this is known."""
    writer = EventWriter("p")
    writer.response_model = served
    for name, value in known.items():
        setattr(writer, name, value)
    table.add_cost("p", model, used, writer)
    return used


def test_the_list_prices_a_usage_and_names_its_row(pricelist: PriceList) -> None:
    """Cost and price id of a known model; the tier of service that was given counts."""
    used = priced(prices("openai", pricelist), "gpt-5-2025-08-07", usage(input_tokens=1000, output_tokens=100))
    assert used.cost_nano_usd == 1000 * 1250 + 100 * 10_000
    assert used.price_id == f"{pricelist.source}:openai:gpt-5"
    dear = priced(
        prices("openai", pricelist),
        "gpt-5",
        usage(input_tokens=1000, output_tokens=100),
        service_tier=gateway_pb2.SERVICE_TIER_PRIORITY,
    )
    assert (dear.cost_nano_usd, dear.price_id) == (2 * used.cost_nano_usd, f"{used.price_id}:service_tier-priority")


def test_fast_mode_has_its_own_price(pricelist: PriceList) -> None:
    """Claude says in its usage that it was fast."""
    slow = priced(prices("anthropic", pricelist), "claude-opus-5-5", usage(input_tokens=1000))
    fast = priced(
        prices("anthropic", pricelist),
        "claude-opus-5-5",
        usage(input_tokens=1000),
        metadata={"usage": {"speed": "fast"}},
    )
    assert fast.cost_nano_usd == 2 * slow.cost_nano_usd
    assert fast.price_id.endswith(":speed-fast")


def test_an_unknown_price_stays_unset_and_is_told_once(pricelist: PriceList) -> None:
    """Unset, never 0; one log line for each model, none while the list is still to come."""
    table = prices("openai", pricelist)
    with capture_logs() as logs:
        for _ in range(2):
            used = priced(table, "gpt-of-ours", usage(input_tokens=1))
            assert not used.HasField("cost_nano_usd")
            assert not used.price_id
        priced(prices("openai", None), "gpt-5", usage(input_tokens=1))
    assert [(line["event"], line["model"]) for line in logs] == [("price unknown", "gpt-of-ours")]


def test_a_usage_that_does_not_add_up_is_told_once(pricelist: PriceList) -> None:
    """Cost unset and a log line."""
    with capture_logs() as logs:
        used = priced(prices("openai", pricelist), "gpt-5", usage(input_tokens=1, cache_read_input_tokens=2))
    assert not used.HasField("cost_nano_usd")
    assert [line["event"] for line in logs] == ["usage cannot be priced"]


def test_the_list_may_come_later(pricelist: PriceList) -> None:
    """What was unknown before the list came is known after it."""
    table = prices("openai", None)
    assert table.rates("p", "gpt-5") == ()
    table.pricelist = pricelist
    assert table.rates("p", "gpt-5")[0].input == 1_250_000_000


def test_the_operator_s_prices_win_rate_by_rate(pricelist: PriceList) -> None:
    """What the operator does not say comes from the list; `*` is for models that are not named; tiers stay where they are not overruled."""
    table = prices(
        "openai",
        pricelist,
        prices={"gpt-6.1-sol": ModelPrice(input=7), "*": ModelPrice(input=1, output=2, cache_read=0, cache_write=3)},
    )
    base, above = table.rates("p", "gpt-6.1-sol")
    assert (base.input, above.input, base.output, above.output) == (7, 7, 10_000_000_000, 15_000_000_000)
    assert base.id == f"config:p:gpt-6.1-sol+{pricelist.source}:openai:gpt-6.1-sol"
    (other,) = table.rates("p", "gpt-of-ours")
    assert (other.id, other.input, other.output, other.cache_read) == ("config:p:*", 1, 2, 0)
    assert (other.cache_write, other.cache_write_long) == (3, 3)
    (alone,) = prices("openai_compatible", None, prices={"m": ModelPrice(input=4_000_000, output=0)}).rates("p", "m")
    assert alone.cost(usage(input_tokens=2, cache_read_input_tokens=1)) == 8


def test_models_on_the_operator_s_machines_cost_nothing(pricelist: PriceList) -> None:
    """By policy 0, not unknown; Claude Code runs here and is billed elsewhere."""
    used = priced(prices("ollama", None, local=True), "llama4", usage(input_tokens=1, output_tokens=1))
    assert used.HasField("cost_nano_usd")
    assert (used.cost_nano_usd, used.price_id) == (0, "local")
    billed = priced(prices("claude_code", pricelist, local=True), "claude-opus-5-5", usage(input_tokens=1))
    assert billed.cost_nano_usd == 4000
    assert prices("ollama", None, local=True).lists() == frozenset()
    assert prices("claude_code", None, local=True).lists() == {"anthropic"}


def test_a_deployment_is_priced_as_the_model_that_it_says_it_is(pricelist: PriceList) -> None:
    """Azure's names are the operator's: the answer's model counts before the deployment's name; elsewhere the name asked for does."""
    azure = priced(prices("azure_openai", pricelist), "gpt-4o", usage(input_tokens=1000), served="gpt-5-2025-08-07")
    assert azure.price_id == f"{pricelist.source}:openai:gpt-5"
    openai = priced(prices("openai", pricelist), "gpt-4o", usage(input_tokens=1000), served="gpt-5-2025-08-07")
    assert openai.price_id == f"{pricelist.source}:openai:gpt-4o"


def test_a_cost_that_differs_from_the_provider_s_is_told(pricelist: PriceList) -> None:
    """More than one per cent apart: one log line, and both costs stay."""
    table = prices("openai", pricelist)
    with capture_logs() as logs:
        for theirs_ in (1_250_000, 1_262_500, 1_300_000, 1_300_000):
            used = priced(table, "gpt-5", usage(input_tokens=1000, provider_cost_nano_usd=theirs_))
            assert (used.cost_nano_usd, used.provider_cost_nano_usd) == (1_250_000, theirs_)
    assert [(line["event"], line["ours"], line["theirs"]) for line in logs] == [
        ("cost differs from the provider's", 1_250_000, 1_300_000)
    ]


def test_prices_for_model_lists_are_those_of_the_first_tier(pricelist: PriceList) -> None:
    """Rates that a model does not have are unset, and so is an unknown price."""
    table = prices("openai", pricelist)
    pricing = table.pricing("p", "gpt-5")
    assert pricing is not None
    assert pricing.input_nano_usd_per_million == 1_250_000_000
    assert pricing.cache_read_nano_usd_per_million == 125_000_000
    assert not pricing.HasField("cache_write_nano_usd_per_million")
    assert table.pricing("p", "gpt-of-ours") is None
    assert table.context("p", "gpt-5") == 400_000


# ---------------------------------------------------------------- the other process
async def test_the_list_is_read_by_a_process_that_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's own process does not import genai-prices for it, and hands on no environment beside what Python needs."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    seen: dict[str, Any] = {}
    start = subprocess.Popen

    def watched(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        seen.update(options["env"])
        return start(command, **options)

    monkeypatch.setattr(subprocess, "Popen", watched)
    found = await source.load({"openai", "no such list"})
    assert found.find("openai", "gpt-5") is not None
    assert set(found.lists) == {"openai"}
    assert "OPENAI_API_KEY" not in seen


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import sys; sys.exit(3)", "the extra prices: pip install ./clients/python '.[prices]' in a working copy"),
        ("import sys; sys.exit(1)", "cannot be read"),
        ("print('{}')", "cannot be read"),
        ("print('[')", "cannot be read"),
    ],
)
async def test_without_a_list_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, program: str, says: str) -> None:
    """A missing extra, a crash, and output of another shape."""
    start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **options: start([sys.executable, "-c", program], **options))
    with pytest.raises(source.PriceListUnavailable, match=re.escape(says)):
        await source.load({"openai"})


async def test_a_program_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As any other reason."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(source.PriceListUnavailable, match="did not start"):
        await source.load({"openai"})


async def test_a_list_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its process is ended."""
    start = subprocess.Popen
    started = []

    def slow(_: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        started.append(start([sys.executable, "-c", "import time; time.sleep(60)"], **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", slow)
    monkeypatch.setattr(source, "LONGEST", 0.05)
    with pytest.raises(source.PriceListUnavailable, match="longer than"):
        await source.load({"openai"})
    assert started[0].returncode is not None


async def test_a_cancelled_load_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping the gateway while the list is read ends the reader too."""
    start = subprocess.Popen
    started: asyncio.Queue[subprocess.Popen[bytes]] = asyncio.Queue()

    def slow(_: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        process = start([sys.executable, "-c", "import time; time.sleep(60)"], **options)
        started.put_nowait(process)
        return process

    monkeypatch.setattr(subprocess, "Popen", slow)
    loading = asyncio.create_task(source.load({"openai"}))
    process = await started.get()
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert process.returncode is not None


def test_export_without_genai_prices_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert export.main(["openai"]) == 3


def test_export_writes_what_the_gateway_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object; lists that a list falls back to come with it."""
    assert export.main(["azure"]) == 0
    lists = PriceList.decode(capsys.readouterr().out.encode()).lists
    assert set(lists) >= {"azure", "openai", "anthropic"}


# ---------------------------------------------------------------- sums
def test_a_sum_of_usages_has_every_count() -> None:
    """Counts, details, modalities, retentions and tools add up; a cost only where all have one."""
    one = usage(
        input_tokens=1,
        output_tokens=2,
        total_tokens=3,
        cache_read_input_tokens=1,
        input_by_modality=by(AUDIO, 1),
        cost_nano_usd=5,
        provider_cost_nano_usd=5,
        price_id="a",
    )
    one.cache_write_by_ttl.add(tokens=1).ttl.seconds = 300
    one.provider_tool_uses["web_search"] = 1
    two = usage_pb2.Usage()
    two.CopyFrom(one)
    two.estimated = True
    two.ClearField("provider_cost_nano_usd")
    total = usage(
        input_tokens=2,
        output_tokens=4,
        total_tokens=6,
        cache_read_input_tokens=2,
        input_by_modality=by(AUDIO, 2),
        cost_nano_usd=10,
        price_id="a",
        estimated=True,
    )
    total.cache_write_by_ttl.add(tokens=2).ttl.seconds = 300
    total.provider_tool_uses["web_search"] = 2
    assert total_usage([one, two]) == total
    two.price_id = "b"
    assert total_usage([one, two]).price_id == ""
