"""Row G4: canaries for secrets and for what callers say, sent through everything that the gateway does, and looked for everywhere else."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import string
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import psutil
from llm_gateway.config import ConfigError, load
from llmgateway.v1 import content_pb2, gateway_pb2, gateway_pb2_grpc, health_pb2, model_pb2

from tests.faults.rig import OPTIONS, Rig, Running, row
from tests.security import providers
from tests.security.callers import TAKEN
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.environments import litellm
from tests.support.upstream import END, HANG, RESET, Head, Request, Script, Upstream

AT_ONCE = 8
QUICK = ("openai", "anthropic", "gemini", "bedrock", "ollama")
STATUSES = (400, 401, 403, 404, 422, 429, 500, 503)
REFUSALS = tuple(map(str, STATUSES))
SCENARIOS = (*REFUSALS, "answer", "malformed", "web page", "redirect", "broken", "error event", "cut", "silence")


class Canaries:
    """Words that are nowhere else: secrets, which nobody but a provider may see, and private ones, which their caller may see again."""

    def __init__(self) -> None:
        self._random = random.Random(11)
        self.secrets: dict[str, str] = {}
        self.private: dict[str, str] = {}

    def _word(self) -> str:
        return "".join(self._random.choices(string.ascii_lowercase, k=24))

    def secret(self, name: str) -> str:
        return self.secrets.setdefault(name, self._word())

    def word(self, name: str) -> str:
        return self.private.setdefault(name, self._word())

    def found(self, place: str, text: bytes | str, *, private: bool = True) -> Iterator[str]:
        """Which of them stand in a text. private: the caller's words count too."""
        data = text.decode("latin-1") if isinstance(text, bytes) else text
        looked = {**self.secrets, **(self.private if private else {})}
        for name, canary in looked.items():
            if any(form in data for form in providers.forms(canary)):
                yield f"{name} in {place}"


# ---------------------------------------------------------------- what is sent
def _request(words: Canaries, model: str) -> gateway_pb2.SendRequest:
    """A request with a canary in each place for a caller's text."""
    request = gateway_pb2.SendRequest(model=model, end_user_id=words.word("end user"))
    request.messages.add(role=content_pb2.ROLE_SYSTEM).parts.add().text.text = words.word("system prompt")
    user = request.messages.add(role=content_pb2.ROLE_USER)
    user.parts.add().text.text = words.word("prompt")
    picture = user.parts.add().media
    picture.mime_type, picture.data = "image/png", words.word("image").encode()
    call = request.messages.add(role=content_pb2.ROLE_ASSISTANT).parts.add().tool_call
    call.id, call.name = "c1", "look"
    call.arguments_json = json.dumps({"q": words.word("tool arguments")})
    result = request.messages.add(role=content_pb2.ROLE_TOOL).parts.add().tool_result
    result.tool_call_id, result.name = "c1", "look"
    result.parts.add().text.text = words.word("tool result")
    tool = request.tools.add().function
    tool.name, tool.description = "look", words.word("tool description")
    tool.parameters_json_schema = json.dumps({"type": "object", "title": words.word("schema")})
    request.labels["label"] = words.word("label")
    request.generation_config.stop_sequences.append(words.word("stop sequence"))
    return request


class Mirror:
    """What the upstream does for each provider: repeats in errors all that it was sent, or fails in other ways."""

    def __init__(self, words: Canaries) -> None:
        self.scenario: dict[str, str] = {}
        self._words = words

    def __call__(self, request: Request) -> Script:
        name = providers.at(request)
        scenario = self.scenario.get(name, "answer")
        sent, text = providers.credential(request), self._words.word("answer")
        if scenario in REFUSALS:
            return providers.refusal(request, int(scenario))
        match scenario:
            case "malformed":
                return scripted.whole(200, providers.mirror(request).encode())
            case "web page":
                return scripted.whole(404, f"<html>{providers.mirror(request)}".encode(), content_type="text/html")
            case "redirect":
                return scripted.whole(302, b"", [("location", f"{request.path}?key={sent}")])
            case "silence":
                return (HANG,)
        if scenario == "answer" or not providers.streams(request):
            return providers.answer(request, text, sent)
        begun = providers.answer(request, text, sent, first=3)
        match scenario:
            case "broken":
                return (*begun, RESET)
            case "error event":
                return (*begun, providers.error_event(request, f"{sent} {providers.mirror(request)}"), END)
        return (*begun, END)


# ---------------------------------------------------------------- what comes back
def told(error: grpc.aio.AioRpcError) -> bytes:
    """All that a status says: message, details, trailers."""
    pairs = [*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())]
    values = [value if isinstance(value, bytes) else value.encode() for _, value in pairs]
    return b"\n".join([(error.details() or "").encode(), (error.debug_error_string() or "").encode(), *values])


class Calls:
    """Calls by one caller, and what was found in their statuses."""

    def __init__(self, channel: grpc.aio.Channel, key: str, words: Canaries) -> None:
        self.stub: Any = gateway_pb2_grpc.LLMGatewayStub(channel)
        self._metadata = (("authorization", f"Bearer {key}"),)
        self._words = words
        self.count = 0
        self.codes: dict[str, int] = {}
        self.flaws: list[str] = []

    async def send(self, what: str, request: gateway_pb2.SendRequest, *, stream: bool, private: bool = False) -> None:
        """private: what this call must not be told either."""
        code = "OK"
        try:
            if stream:
                wrapped = gateway_pb2.StreamSendRequest(request=request)
                async for _ in self.stub.StreamSend(wrapped, metadata=self._metadata, timeout=300):
                    pass
            else:
                await self.stub.Send(request, metadata=self._metadata, timeout=300)
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            self.flaws += self._words.found(f"the status of {what}", told(error), private=private)
        self.count += 1
        self.codes[code] = self.codes.get(code, 0) + 1

    async def say(self, what: str, call: Any) -> None:
        """A call whose answer, too, is no place for a canary."""
        try:
            said = (await call).SerializeToString()
        except grpc.aio.AioRpcError as error:
            said = told(error)
        self.flaws += self._words.found(what, said)


async def _series(calls: Calls, mirror: Mirror, words: Canaries, names: list[str], scenarios: tuple[str, ...]) -> None:
    """Each provider × scenario × kind of call."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with slots:
            for scenario in scenarios:
                mirror.scenario[name.partition("/")[0]] = scenario
                for stream in (False, True):
                    request = _request(words, f"{name}/m")
                    if scenario == "silence":
                        request.routing.attempt_timeout.nanos = 50_000_000
                    await calls.send(f"{name}, {scenario}", request, stream=stream)

    await asyncio.gather(*map(one, names))


async def _refused(calls: Calls, words: Canaries) -> None:
    """Calls that reach no provider."""
    wrong = _request(words, "openai/m")
    wrong.generation_config.top_p = 7
    wrong.provider_options_json["openai"] = f'["{words.word("option")}"]'
    wrong.messages.add().parts.add().text.text = words.word("prompt")
    unknown = _request(words, "nowhere/m")
    owned = _request(words, "openai/m")
    owned.provider_options_json["openai"] = json.dumps({"model": words.word("option"), "x": words.word("option")})
    schema = _request(words, "openai/m")
    schema.tools[0].function.parameters_json_schema = f'{{"a": "{words.word("schema")}"'
    for what, request in (("wrong", wrong), ("unknown", unknown), ("owned", owned), ("schema", schema)):
        for stream in (False, True):
            await calls.send(f"a refused call ({what})", request, stream=stream)


# ---------------------------------------------------------------- processes
def _command_lines(process: psutil.Process) -> str:
    """Of the process and of all that it started; anybody on the machine can read them."""
    found = []
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            found.append("\0".join(one.cmdline()))
    return "\n".join(found)


async def _command(*arguments: str, env: Mapping[str, str]) -> bytes:
    """What a command of ours prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llm_gateway", *arguments),
        env=gateways.environment(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 120)
    return said


def _wrong_files(words: Canaries) -> dict[str, str]:
    """Configurations that are wrong at, or beside, a secret."""
    key = words.secret("key in a wrong file")
    like_mistral = f"{key[:12]}7{key[12:]}"
    return {
        "a key of two lines": f'providers: {{openai: {{api_key: "{key}\\n{key}"}}}}',
        "a key with a scheme": f'providers: {{openai: {{api_key: "Bearer {key}"}}}}',
        "a key as a list": f"providers: {{openai: {{api_key: [{key}]}}}}",
        "a key for a name": f"providers: {{openai: {{{like_mistral}: x}}}}",
        "a key for a value": f"providers: {{openai: {{{like_mistral}}}}}",
        "a key in an address": f"providers: {{edge: {{kind: openai_compatible, endpoint: 'http://u:{key}@h/v1'}}}}",
        "a key in a query": f"providers: {{edge: {{kind: openai_compatible, endpoint: 'http://h/v1?key={key}'}}}}",
        "a key in a proxy": f"providers: {{openai: {{api_key: k, proxy: 'ftp://u:{key}@h'}}}}",
        "a key in a header": f"providers: {{openai: {{api_key: k, headers: {{host: {key}, 'a b': {key}}}}}}}",
        "a key in a broken file": f"providers: {{openai: {{api_key: '{key}}}}}",
        "a variable": "providers: {openai: {api_key: k, timeouts: {connect: '${CANARY}'}}}",
        "a variable as a port": "server: {listen: '127.0.0.1:${CANARY}'}\nproviders: {echo: {}}",
        "a caller's key twice": f"server: {{api_keys: [{key}, {key}]}}\nproviders: {{echo: {{}}}}",
        "credentials": f"providers: {{bedrock: {{region: x, credentials: {{secret_access_key: [{key}]}}}}}}",
    }


CRASHING = """
from llm_gateway.protocols.openai_chat import *
from llm_gateway.protocols.openai_chat import framing
from llm_gateway.upstream.http import ConnectFailed

def render_request(rendering):
    said = str(rendering.request)
    try:
        raise ConnectFailed(said)
    except ConnectFailed as error:
        raise ZeroDivisionError(said) from error
"""
CRASHING_ROW = """
from llm_gateway.providers.rows import Row, Spoken

ROW = Row(apis={"": Spoken(wire="crashing.wire", dialects="openai_dialects", dialect="GENERIC")}, lists=("",), base_url="http://127.0.0.1:9")
"""
"""A plugin whose wire format fails with the caller's words in its exceptions."""


def _plugin(folder: Path) -> Path:
    """The folder to be put on Python's path."""
    about = folder / "crashing-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: crashing\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[llm_gateway.providers]\ncrashing = crashing:ROW\n")
    (folder / "crashing").mkdir()
    (folder / "crashing" / "__init__.py").write_text(CRASHING_ROW)
    (folder / "crashing" / "wire.py").write_text(CRASHING)
    return folder


# ---------------------------------------------------------------- the row
@row("G4", star=True, most=0)
async def secrets_and_prompts_are_nowhere_else(rig: Rig) -> float:
    """Canaries as keys, proxy passwords, prompts, tools, images, through every kind, failure and command: those found in logs, spans, statuses, lists, output, arguments."""
    words = Canaries()
    async with scripted.running() as upstream, scripted.running() as collector:
        mirror = Mirror(words)
        upstream.answer = mirror
        collector.script((Head(200, framing="length"), END))
        flaws = await _gateway(rig, words, upstream, mirror, collector)
        flaws += [f for r in collector.requests for f in words.found("a span", r.body)]
        spans = sum(len(request.body) for request in collector.requests)
        rig.note(f"{len(words.secrets)} secrets and {len(words.private)} private texts; {spans} bytes of spans")
        if not spans or not upstream.requests:
            flaws.append("nothing was measured")
        flaws += [f"{name} never left" for name in _unsent(words, upstream, quick=rig.quick)]
        flaws += await _commands(rig, words, upstream, mirror)
    return rig.flaws(sorted(set(flaws)))


def _unsent(words: Canaries, upstream: Upstream, *, quick: bool) -> set[str]:
    """Providers whose secret their own requests did not carry: nothing would have been proved of them."""
    seen: dict[str, str] = {}
    for request in upstream.requests:
        seen[providers.at(request)] = seen.get(providers.at(request), "") + providers.credential(request)
    named = {*QUICK, "proxied"} if quick else {*providers.kinds(), "proxied", "ll"} - {"bedrock_signed"}
    return {name for name in named if words.secret(name) not in seen.get(name, "")}


def _configured(words: Canaries, url: str, proxy: str) -> dict[str, Any]:
    known = providers.configured(url, words.secret)
    known["proxied"] = {
        **gateways.provider(f"{url}/at/proxied", api_key=words.secret("proxied")),
        "proxy": f"http://{words.secret('proxy user')}:{words.secret('proxy password')}@{proxy}",
        "headers": {"x-team-token": words.secret("header")},
    }
    known["no_proxy"] = {
        **gateways.provider(f"{url}/at/no_proxy", api_key=words.secret("no_proxy")),
        "proxy": f"http://u:{words.secret('dead proxy password')}@127.0.0.1:9",
    }
    known["crashing"] = {"endpoint": f"{url}/at/crashing", "api_key": words.secret("crashing"), "models": ["m"]}
    known["ll"] = {
        "kind": "litellm",
        "endpoint": f"{url}/at/ll",
        "api_key": words.secret("ll"),
        "options": {"python": str(litellm()), "providers": ["openai"]},
    }
    return {
        "providers": known,
        "server": {
            "api_keys": [{"name": n, "key": words.secret(f"key of {n}")} for n in ("one", "two")],
            "log": {"level": "debug", "format": "json"},
        },
        "defaults": {"retry": {"max_attempts": 1}},
        "breaker": {"enabled": False},
        "default_provider": "openai",
    }


async def _gateway(rig: Rig, words: Canaries, upstream: Upstream, mirror: Mirror, collector: Upstream) -> list[str]:
    """What is found in a gateway's log, statuses, answers of other methods, and in its processes' arguments."""
    config = _configured(words, upstream.url, f"127.0.0.1:{upstream.port}")
    env = {
        "PYTHONPATH": f"{_plugin(rig.folder / 'crashing')}:{os.getcwd()}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-token={words.secret('header of the collector')}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    names = [name for name in config["providers"] if name != "ll"]
    if rig.quick:
        names = [*QUICK, "proxied", "crashing"]
    async with rig.process(config, env) as gateway:
        calls, other = await _called(gateway, words, mirror, names, quick=rig.quick)
        flaws = [*calls.flaws, *other.flaws]
        flaws += words.found("arguments of a process", _command_lines(gateway.process))
        await _reloaded(gateway, words, config)
        await asyncio.sleep(0.3)
    flaws += [
        found for line in gateway.log.read_text().splitlines() for found in words.found(f"the log ({line[:60]})", line)
    ]
    log = gateway.log.read_text()
    flaws += [
        f"no line {wanted!r}"
        for wanted in ("internal error", "configuration not reloaded", "configuration reloaded")
        if wanted not in log
    ]
    rig.note(f"{calls.count} calls: {calls.codes}; {len(log.splitlines())} lines of log")
    return flaws


async def _called(
    gateway: Running, words: Canaries, mirror: Mirror, names: list[str], *, quick: bool
) -> tuple[Calls, Calls]:
    async with grpc.aio.insecure_channel(gateway.address, OPTIONS) as channel:
        calls = Calls(channel, words.secret("key of one"), words)
        other = Calls(channel, words.secret("key of two"), words)
        stranger = Calls(channel, words.secret("key of nobody"), words)
        all_ways = [] if quick else [name for name in names if name in TAKEN or name not in providers.kinds()]
        await _series(calls, mirror, words, all_ways, SCENARIOS)
        await _series(calls, mirror, words, [name for name in names if name not in all_ways], ("401", "500", "answer"))
        if not quick:  # LiteLLM starts for seconds
            await _series(calls, mirror, words, ["ll/openai"], ("401", "500", "answer", "error event"))
        await _refused(calls, words)
        await stranger.send("a stranger's call", _request(words, "openai/m"), stream=False)
        mirror.scenario = dict.fromkeys(mirror.scenario, "401")
        metadata = other._metadata
        for refresh in (False, True):
            asked = model_pb2.ListModelsRequest(refresh=refresh)
            await other.say("ListModels", other.stub.ListModels(asked, metadata=metadata, timeout=300))
            asked_health = health_pb2.HealthRequest(probe=refresh)
            await other.say("Health", other.stub.Health(asked_health, metadata=metadata, timeout=300))
        plain = gateway_pb2.SendRequest()
        plain.messages.add(role=content_pb2.ROLE_USER).parts.add().text.text = "hi"
        for name in names:
            plain.model = f"{name}/m"
            mirror.scenario[name] = "500"
            await other.send(f"another caller's call of {name}", plain, stream=False, private=True)
        other.flaws += stranger.flaws
    return calls, other


async def _reloaded(gateway: Running, words: Canaries, config: dict[str, Any]) -> None:
    """A file that is wrong, then one with other keys."""
    path = gateway.log.with_name("gateway.yaml")
    good = gateways.configured(config)
    wrong = json.dumps({**good, "providers": {"openai": {"api_key": [words.secret("key in a wrong reload")]}}})
    openai = {**config["providers"]["openai"], "api_key": words.secret("key of the reload")}
    right = json.dumps({**good, "providers": {**config["providers"], "openai": openai}})
    for text, told in ((wrong, "configuration not reloaded"), (right, '"configuration reloaded"')):
        path.write_text(text)
        gateway.process.send_signal(signal.SIGHUP)
        for _ in range(600):
            if told in gateway.log.read_text():
                break
            await asyncio.sleep(0.05)


async def _commands(rig: Rig, words: Canaries, upstream: Upstream, mirror: Mirror) -> list[str]:
    """What is found in the output of the command line, and in errors and reprs of the configuration."""
    flaws: list[str] = []
    variables = {"CANARY": words.secret("variable"), "LLM_GATEWAY_LOG": "debug"}
    folder = rig.folder / "commands"
    folder.mkdir(exist_ok=True)
    wrong = _wrong_files(words)
    for what, text in wrong.items():
        path = folder / "wrong.yaml"
        path.write_text(text)
        try:
            flaws.append(f"{what} is taken: {load(str(path), variables)!r}"[:100])
        except ConfigError as error:
            flaws += words.found(f"the problem of {what}", f"{error} {error!r}")
    config = _configured(words, upstream.url, f"127.0.0.1:{upstream.port}")
    del config["providers"]["crashing"], config["providers"]["ll"]
    path = folder / "gateway.yaml"
    path.write_text(json.dumps(gateways.configured(config)))
    flaws += words.found("the repr of the configuration", repr(load(str(path), {})))
    (folder / "wrong.yaml").write_text(wrong["a key of two lines"])
    mirror.scenario = dict.fromkeys(config["providers"], "401")
    here = ("--config", str(path))
    commands: list[tuple[str, ...]] = [
        ("config", "check", *here),
        ("config", "check", "--config", str(folder / "wrong.yaml")),
        ("serve", "--config", str(folder / "wrong.yaml")),
        ("explain", *here, "--model", "openai/m"),
        ("providers", "check", *here),
    ]
    if not rig.quick:
        commands += [
            ("explain", *here, "--model", "openai/m", "--json"),
            ("estimate", *here, "--model", "openai/m", "--message", words.word("prompt")),
            ("providers", "check", *here, "--json"),
            ("chat", "--embedded", *here, "--model", "openai/m", words.word("prompt")),
        ]
    said = await asyncio.gather(*(_command(*command, env=variables) for command in commands))
    for command, output in zip(commands, said, strict=True):
        private = command[0] != "chat"  # which shows its user what a provider says of the request
        flaws += words.found(f"the output of {' '.join(command[:2])}", output, private=private)
        flaws += [f"{' '.join(command[:2])} said nothing"] if not output else []
    return flaws
