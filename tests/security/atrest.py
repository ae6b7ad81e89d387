"""Row G5: keys that were set at run time, the master key, the administration's keys: looked for wherever the administration speaks or writes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import grpc
import psutil
from google.protobuf import json_format, message_factory
from llm_gateway import config
from llm_gateway.admin.methods import METHODS, SERVICES
from llm_gateway.store import master, sealing
from llm_gateway.store.store import Store
from llm_gateway.store.vault import Vault
from llmgateway.v1 import content_pb2, gateway_pb2, gateway_pb2_grpc

from tests.faults.rig import OPTIONS, Rig, Running, row, until
from tests.security import providers
from tests.security.secrets import Canaries, Mirror, told
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.environments import litellm
from tests.support.upstream import END, Head, Upstream
from tests.support.waiting import eventually

NAMES = ("edge", "filed", "moving")
"""Of the providers: one that is set at run time, one of the file that gets a key at run time, one that moves from run time into the file."""


def _settings(words: Canaries, url: str, folder: Path, store: Mapping[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(words.secret("key of the administration").encode()).hexdigest()
    return {
        "admin": {"listen": "127.0.0.1:0", "keys": [{"name": "ops", "role": "admin", "hash": f"sha256:{digest}"}]},
        "store": {"directory": str(folder / "data"), **store},
        "providers": {
            "filed": {"kind": "openai", "endpoint": f"{url}/at/filed/v1", "api_key": "none", "models": ["m"]}
        },
        "defaults": {"retry": {"max_attempts": 1}},
        "breaker": {"enabled": False},
        "server": {"log": {"level": "debug", "format": "json"}},
    }


def _master(words: Canaries, path: Path) -> str:
    """A new master key, whose text and bytes are canaries."""
    words.secrets[f"master key {path.name}"] = text = master.new()
    raw = base64.urlsafe_b64decode(f"{text}=")
    words.secrets[f"master key {path.name} in hexadecimal digits"] = raw.hex()
    words.secrets[f"bytes of master key {path.name}"] = raw.decode("latin-1")
    master.write(str(path), text)
    return text


class Asking:
    """Calls of the administration, and what was found in their answers."""

    def __init__(self, address: str, words: Canaries, key: str) -> None:
        self._address = address
        self._words = words
        self._metadata = (("authorization", f"Bearer {key}"),)
        self._inputs = {
            f"/{service.full_name}/{name}": message_factory.GetMessageClass(method.input_type)
            for service in SERVICES
            for name, method in service.methods_by_name.items()
        }
        self.flaws: list[str] = []
        self.codes: dict[str, int] = {}
        self.worked: set[str] = set()

    async def ask(self, method: str, **fields: Any) -> str:
        """The code. method: without its service."""
        [path] = [path for path in self._inputs if path.endswith(f"/{method}")]
        request = json_format.ParseDict(fields, self._inputs[path]())
        code = "OK"
        async with grpc.aio.insecure_channel(self._address, OPTIONS) as channel:
            call: Any = channel.unary_unary(path, type(request).SerializeToString)(
                request, metadata=self._metadata, timeout=120
            )
            try:
                said = await call
                pairs = [*(await call.initial_metadata() or ()), *(await call.trailing_metadata() or ())]
                said += b"".join(value if isinstance(value, bytes) else value.encode() for _, value in pairs)
            except grpc.aio.AioRpcError as error:
                said, code = told(error), error.code().name
        if code == "OK":
            self.worked.add(path)
        self.codes[code] = self.codes.get(code, 0) + 1
        self.flaws += self._words.found(f"the answer of {method}, {code}", said)
        return code


def _provider(url: str, name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "openai", "endpoint": f"{url}/at/{name}/v1", "models": ["m"], **more}


async def _administer(asking: Asking, words: Canaries, url: str) -> list[str]:
    """Everything that works, in an order in which it does; the calls that did not."""
    edge = _provider(url, "edge")
    steps: list[tuple[str, dict[str, Any]]] = [
        ("CreateProvider", {"provider_id": "edge", "provider": {"settings": edge}, "keys": [{"key_id": "main", "secret": words.secret("key")}]}),
        ("AddProviderKey", {"parent": "providers/filed", "key": {"key_id": "main", "secret": words.secret("key of the file's provider")}}),
        ("AddProviderKey", {"parent": "providers/edge", "key": {"key_id": "more", "secret": words.secret("second key")}}),
        ("RotateProviderKey", {"name": "providers/edge/keys/main", "secret": words.secret("rotated key"), "overlap": "600s"}),
        ("RemoveProviderKey", {"name": "providers/edge/keys/more"}),
        ("CreateRoute", {"route_id": "smart", "route": {"settings": {"targets": [{"provider": "edge", "model": "m"}]}}}),
        ("UpdateRoute", {"route": {"name": "routes/smart", "settings": {"affinity": True}}, "update_mask": "settings.affinity"}),
        ("SetDefaultProvider", {"name": "providers/edge"}),
        ("UpdateProvider", {"provider": {"name": "providers/edge", "settings": {"defaultModel": "m"}}, "update_mask": "settings.defaultModel"}),
        ("GetEffectiveConfig", {}),
        ("ListProviders", {}),
        ("GetProvider", {"name": "providers/edge"}),
        ("TestProvider", {"name": "providers/edge"}),
        ("ListProviderKeys", {"parent": "providers/edge"}),
        ("ListRoutes", {}),
        ("GetRoute", {"name": "routes/smart"}),
        ("Explain", {"model": "smart"}),
        ("EstimateCost", {"model": "smart", "inputTokens": 10}),
        ("ListRevisions", {}),
        ("ListChanges", {}),
        ("ReloadConfig", {}),
        ("SetDefaultProvider", {}),
        ("DisableProvider", {"name": "providers/filed"}),
        ("EnableProvider", {"name": "providers/filed"}),
        ("DeleteRoute", {"name": "routes/smart"}),
        ("CreateProvider", {"provider_id": "gone", "provider": {"settings": _provider(url, "gone")}, "keys": [{"secret": words.secret("key that goes with its provider")}]}),
        ("DeleteProvider", {"name": "providers/gone"}),
    ]  # fmt: skip
    return [f"{method}: {code}" for method, fields in steps if (code := await asking.ask(method, **fields)) != "OK"]


async def _adopted(asking: Asking, words: Canaries, url: str, file: Path) -> list[str]:
    """A provider of run time whose name comes into the file, and which the file takes over with its key; the calls that did not work."""
    moving = _provider(url, "moving")
    settings = json.loads(file.read_text())
    settings["providers"]["moving"] = {**moving, "api_key": "none"}
    given: dict[str, Any] = {"provider": {"settings": moving}, "keys": [{"secret": words.secret("adopted key")}]}
    codes = [await asking.ask("CreateProvider", provider_id="moving", **given)]
    new = file.with_name("new.yaml")
    new.write_text(json.dumps(settings))
    new.replace(file)  # whole, whoever looks at it meanwhile
    codes += [await asking.ask("ReloadConfig"), await asking.ask("AdoptProvider", name="providers/moving")]
    return [] if codes == ["OK"] * 3 else [f"a provider is adopted: {codes}"]


async def _refused(asking: Asking, words: Canaries, url: str) -> list[str]:
    """A key in every place where none belongs, and keys that are none; what was taken."""
    key = words.secret("key in a wrong place")
    like = f"sk-{key}"
    header = {"headers": {"x-team": f"Bearer {key}"}}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("CreateProvider", {"provider_id": "bad", "provider": {"settings": _provider(url, "bad", **header)}}),
        ("CreateProvider", {"provider_id": "bad", "provider": {"settings": _provider(url, "bad", headers={"x-api-key": key})}}),
        ("CreateProvider", {"provider_id": "bad", "provider": {"settings": _provider(url, "bad", options={"api_key": key})}}),
        ("CreateProvider", {"provider_id": "bad", "provider": {"settings": _provider(url, "bad", proxy=f"http://u:{key}@127.0.0.1:9")}}),
        ("CreateProvider", {"provider_id": "bad", "provider": {"settings": {"kind": "openai", "endpoint": f"http://u:{key}@127.0.0.1:9/v1"}}}),
        ("CreateProvider", {"provider_id": "bad", "provider": {"settings": {"kind": "openai", "endpoint": f"http://127.0.0.1:9/v1?key={key}"}}}),
        ("CreateProvider", {"provider_id": "bad", "provider": {"settings": _provider(url, "bad", defaultModel=like)}}),
        ("CreateProvider", {"provider_id": like, "provider": {"settings": _provider(url, "bad", kind="no such kind")}}),
        ("CreateProvider", {"provider_id": "bad", "provider": {"settings": _provider(url, "bad")}, "keys": [{"secret": f"{key} {key}"}]}),
        ("AddProviderKey", {"parent": "providers/edge", "key": {"key_id": "bad", "secret": f"Bearer {key}"}}),
        ("AddProviderKey", {"parent": "providers/edge", "key": {"key_id": "bad", "secret": f"{key}\n{key}"}}),
        ("AddProviderKey", {"parent": "providers/nowhere", "key": {"secret": key}}),
        ("AddProviderKey", {"parent": "providers/edge", "key": {"key_id": "main", "secret": key}}),
        ("RotateProviderKey", {"name": "providers/edge/keys/none", "secret": key}),
        ("RotateProviderKey", {"name": "providers/edge/keys/main", "secret": key, "etag": "another"}),
    ]  # fmt: skip
    return [
        f"{method} was taken: {list(fields)}" for method, fields in steps if await asking.ask(method, **fields) == "OK"
    ]


async def _used(gateway: Running, words: Canaries, models: Sequence[str]) -> list[str]:
    """Calls by which a provider repeats its key in its failure."""
    flaws: list[str] = []
    async with grpc.aio.insecure_channel(gateway.address, OPTIONS) as channel:
        stub: Any = gateway_pb2_grpc.LLMGatewayStub(channel)
        for model in models:
            request = gateway_pb2.SendRequest(model=model)
            request.messages.add(role=content_pb2.ROLE_USER).parts.add().text.text = "hi"
            try:
                said = (await stub.Send(request, timeout=120)).SerializeToString()
            except grpc.aio.AioRpcError as error:
                said = told(error)
            flaws += words.found(f"a call of {model}", said)
    return flaws


def _files(words: Canaries, folder: Path) -> list[str]:
    """What a scan of every file finds, as `strings` would."""
    flaws: list[str] = []
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError, IsADirectoryError):  # what SQLite puts beside its file comes and goes
            flaws += words.found(f"the file {path.name}", path.read_bytes())
    return flaws


def _processes(words: Canaries, process: psutil.Process) -> list[str]:
    """Command lines of the gateway and of all that it started, and the environments of these."""
    flaws = [*words.found("the command line", "\0".join(process.cmdline()))]
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            flaws += words.found("a child's command line", "\0".join(child.cmdline()))
            flaws += words.found("a child's environment", str(child.environ()))
    return flaws


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("providers", "list"),
    ("providers", "show", "edge"),
    ("providers", "show", "edge", "--yaml"),
    ("providers", "test", "edge"),
    ("keys", "list", "--json"),
    ("config", "show", "--all"),
    ("config", "show", "--yaml"),
    ("config", "revisions"),
    ("audit",),
    ("audit", "--json"),
    ("routes", "list"),
)


async def _command(words: Canaries, port: int, *arguments: str, given: str = "") -> tuple[int | None, list[str]]:
    """Exit code, and what a command of ours says that it should not."""
    env = {"LLM_GATEWAY_ADMIN": f"127.0.0.1:{port}", "LLM_GATEWAY_ADMIN_KEY": words.secret("key of the administration")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llm_gateway", *arguments),
        env=gateways.environment(env),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(given.encode()), 120)
    return process.returncode, [*words.found(f"the output of {' '.join(arguments)}", said)]


@asynccontextmanager
async def _running(
    rig: Rig, words: Canaries, settings: Mapping[str, Any], env: Mapping[str, str], flaws: list[str]
) -> AsyncIterator[tuple[Running, int]]:
    """A gateway with the port of its administration; its log is looked through in the end."""
    async with rig.process(settings, env) as gateway:

        def port() -> int:
            lines = gateway.log.read_text().rpartition("\n")[0].splitlines()
            return next((one["port"] for one in map(json.loads, lines) if one["event"] == "administration"), 0)

        yield gateway, await eventually(port, "the administration listens")
        flaws += _processes(words, gateway.process)
        await asyncio.sleep(0.3)
    for line in gateway.log.read_text().splitlines():
        flaws += words.found(f"the log ({line[:60]})", line)


def _start(settings: Mapping[str, Any], folder: Path, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Of a gateway that should not start: its exit code, and what it says."""
    path = folder / "wrong.yaml"
    path.write_text(json.dumps(gateways.configured(settings)))
    command = [sys.executable, "-m", "llm_gateway", "serve", "--config", str(path)]
    try:
        done = subprocess.run(
            command,
            env=gateways.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
    except subprocess.TimeoutExpired as error:  # it serves
        return 0, (error.stdout or b"").decode()
    return done.returncode, done.stdout.decode()


def _wrong_starts(
    rig: Rig, words: Canaries, settings: dict[str, Any], folder: Path, right: Mapping[str, Any]
) -> list[str]:
    """Each start without the right master key, or with a record that was changed, is refused in a line that names what is wrong; flaws."""
    _master(words, folder / "other")
    (folder / "readable").write_text((folder / "other").read_text())
    (folder / "readable").chmod(0o644)
    (folder / "malformed").write_text(words.secret("a malformed master key"))
    (folder / "malformed").chmod(0o600)
    command = f"echo {words.secret('what a command says')} >&2; exit 7"
    masters: dict[str, tuple[Any, str]] = {
        "another": ({"file": str(folder / "other")}, "store.master_key"),
        "none": (None, "providers/"),
        "readable": ({"file": str(folder / "readable")}, "chmod 600"),
        "malformed": ({"file": str(folder / "malformed")}, "store.master_key.file"),
        "missing": ({"file": str(folder / "gone")}, "store.master_key.file"),
        "no variable": ({"env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE"),
        "a command": ({"command": ["sh", "-c", command]}, "code 7"),
    }
    flaws: list[str] = []
    for what, (source, named) in list(masters.items())[: 3 if rig.quick else None]:
        store = {"directory": settings["store"]["directory"], **({"master_key": source} if source else {})}
        flaws += _unlike(
            words, f"a start with {what} as master key", _start({**settings, "store": store}, folder), named
        )
    empty = config.Store(directory=str(folder / "empty"))
    with closing(Store.open(empty)) as store_without_keys:
        sealing.admit(store_without_keys, Vault(master.from_file(str(folder / "second"), "")))
    store = {"directory": empty.directory, "master_key": masters["another"][0]}
    started = _start({**settings, "store": store}, folder)
    flaws += _unlike(words, "a start with another master key and an empty store", started, "store.master_key")
    for column in ("text",) if rig.quick else ("data_key", "nonce", "text", "fingerprint", "alias", "provider"):
        tampered = folder / f"tampered-{column}"
        shutil.copytree(settings["store"]["directory"], tampered)
        value = "'changed'" if column in ("alias", "provider", "fingerprint") else f"zeroblob(length({column}))"
        with closing(sqlite3.connect(tampered / "llm-gateway.db")) as raw, raw:
            raw.execute(f"UPDATE llm_keys SET {column} = {value} WHERE rowid = (SELECT min(rowid) FROM llm_keys)")
        if column != "fingerprint":  # which nothing depends on
            store = {**right, "directory": str(tampered)}
            started = _start({**settings, "store": store}, folder)
            flaws += _unlike(words, f"a start with another {column}", started, "providers/")
    return flaws


def _unlike(words: Canaries, what: str, started: tuple[int, str], named: str) -> list[str]:
    code, said = started
    flaws = [*words.found(f"what {what} says", said)]
    if code != 2:
        flaws.append(f"{what} exits with {code}: {said[-200:]}")
    if len(said.splitlines()) != 1 or named not in said:
        flaws.append(f"{what} says {said[:300]!r}")
    return flaws


# ---------------------------------------------------------------- the row
@row("G5", star=True, most=0)
async def keys_at_rest_are_sealed(rig: Rig) -> float:
    """Keys set at run time and the master key: found in answers, log, spans, files, children; starts with a wrong master key or a changed record that are not refused by name."""
    words, flaws = Canaries(), list[str]()
    folder = rig.folder / "at rest"
    folder.mkdir()
    async with scripted.running() as upstream, scripted.running() as collector:
        mirror = Mirror(words)
        mirror.scenario = dict.fromkeys([*NAMES, "ll"], "401")
        upstream.answer = mirror
        collector.script((Head(200, framing="length"), END))
        await _lives(rig, words, folder, upstream, collector, flaws)
        flaws += [f for r in collector.requests for f in words.found("a span", r.body)]
        sent = {providers.credential(request).removeprefix("Bearer ") for request in upstream.requests}
        for name in ("key", "key of the file's provider", "rotated key", "adopted key"):
            flaws += [] if words.secret(name) in sent else [f"{name} never left"]
        flaws += [] if collector.requests else ["no spans were measured"]
    rig.note(f"{len(words.secrets)} secrets")
    return rig.flaws(sorted(set(flaws)))


async def _lives(
    rig: Rig, words: Canaries, folder: Path, upstream: Upstream, collector: Upstream, flaws: list[str]
) -> None:
    """Three lives of one store: with a master key in a file, while another one follows it, and with that in a variable."""
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    _master(words, folder / "first")
    first = {"master_key": {"file": str(folder / "first")}}
    admin = words.secret("key of the administration")
    models = [f"{name}/m" for name in NAMES if name != "moving"]  # which the later files do not have
    async with _running(rig, words, _settings(words, upstream.url, folder, first), env, flaws) as (gateway, port):
        asking = Asking(f"127.0.0.1:{port}", words, admin)
        flaws += [f"did not work: {one}" for one in await _administer(asking, words, upstream.url)]
        flaws += await _adopted(asking, words, upstream.url, gateway.log.with_name("gateway.yaml"))
        flaws += await _refused(asking, words, upstream.url)
        stranger = Asking(f"127.0.0.1:{port}", words, words.secret("key of nobody"))
        await stranger.ask("ListProviders")
        for _ in range(3):
            flaws += await _used(gateway, words, [f"{name}/m" for name in NAMES])
        flaws += await _by_command(rig, words, port)
        await asking.ask("RollbackConfig", revision=1)
        await asking.ask("AdoptProvider", name="providers/edge")
        if not rig.quick:
            flaws += await _store_gone(asking, words, folder)
        flaws += await _backed_up(words, gateway, port, folder / "backup")
        flaws += _files(words, folder / "data")
        flaws += [*asking.flaws, *stranger.flaws]
        missed = {path.rpartition("/")[2] for path in METHODS.keys() - asking.worked}
        flaws += [f"{name} was never answered" for name in missed]
        rig.note(f"{sum(asking.codes.values())} calls of the administration: {asking.codes}")
    text = _master(words, folder / "second")
    both = {"master_key": {"command": ["cat", str(folder / "second")]}, "old_master_keys": [first["master_key"]]}
    settings = _settings(words, upstream.url, folder, both)
    async with _running(rig, words, settings, env, flaws) as (gateway, port):
        changed = await until(lambda: "master key changed" in gateway.log.read_text(), 60)
        flaws += [] if changed else ["the master key was not changed"]
        asking = Asking(f"127.0.0.1:{port}", words, admin)
        for method in ("ListChanges", "ListRevisions", "GetEffectiveConfig"):
            await asking.ask(method)
        flaws += [*asking.flaws, *await _used(gateway, words, models)]
    second = {"master_key": {"env": "MASTER_KEY_OF_G5"}}
    settings = _settings(words, upstream.url, folder, second)
    with_child = {**settings, "providers": {**settings["providers"], **({} if rig.quick else _child(upstream.url))}}
    async with _running(rig, words, with_child, {**env, "MASTER_KEY_OF_G5": text}, flaws) as (gateway, port):
        flaws += await _used(gateway, words, models if rig.quick else [*models, "ll/openai/m"])
        if not rig.quick and not any(
            "litellm_child" in " ".join(c.cmdline()) for c in gateway.process.children(recursive=True)
        ):
            flaws.append("no child was looked at")
    if not rig.quick:
        await _unreachable(rig, words, upstream.url, folder, flaws)
    flaws += _files(words, folder / "data")
    flaws += await asyncio.to_thread(
        _wrong_starts, rig, words, settings, folder, {"master_key": {"file": str(folder / "second")}}
    )


def _child(url: str) -> dict[str, Any]:
    """A provider of the file that starts a process."""
    options = {"python": str(litellm()), "providers": ["openai"]}
    return {"ll": {"kind": "litellm", "endpoint": f"{url}/at/ll", "api_key": "none-of-ours", "options": options}}


async def _unreachable(rig: Rig, words: Canaries, url: str, folder: Path, flaws: list[str]) -> None:
    """A store on a PostgreSQL that is not there, whose URL has a password."""
    place = f"postgresql://gateway:{words.secret('password of the store')}@127.0.0.1:9/gateway"
    settings = _settings(words, url, folder, {"master_key": {"file": str(folder / "second")}})
    settings["store"] = {**settings["store"], "directory": None, "url": place}
    async with _running(rig, words, settings, {}, flaws) as (_, port):
        asking = Asking(f"127.0.0.1:{port}", words, words.secret("key of the administration"))
        key = {"secret": words.secret("key without a store")}
        if (code := await asking.ask("AddProviderKey", parent="providers/filed", key=key)) != "UNAVAILABLE":
            flaws.append(f"without its PostgreSQL a key is added: {code}")
        await asking.ask("GetEffectiveConfig")
        await asking.ask("ListChanges")
        flaws += asking.flaws


async def _by_command(rig: Rig, words: Canaries, port: int) -> list[str]:
    flaws: list[str] = []
    code, found = await _command(
        words, port, "keys", "add", "edge", "typed", given=words.secret("key on standard input")
    )
    flaws += found
    flaws += [] if code == 0 else [f"keys add exits with {code}"]
    _, found = await _command(words, port, "keys", "add", "edge", "typed", given=words.secret("key on standard input"))
    flaws += found
    for command in COMMANDS[: 3 if rig.quick else None]:
        _, found = await _command(words, port, *command)
        flaws += found
    return flaws


async def _backed_up(words: Canaries, gateway: Running, port: int, path: Path) -> list[str]:
    here = ("--config", str(gateway.log.with_name("gateway.yaml")))
    code, flaws = await _command(words, port, "db", "backup", *here, str(path))
    if code != 0 or b"edge" not in path.read_bytes():
        flaws.append(f"db backup exits with {code}")
        return flaws
    return [*flaws, *words.found("the backup", path.read_bytes())]


async def _store_gone(asking: Asking, words: Canaries, folder: Path) -> list[str]:
    """The store's folder is taken away and comes back."""
    flaws: list[str] = []
    os.rename(folder / "data", folder / "away")
    key = {"key_id": "late", "secret": words.secret("key without a store")}
    if (code := await asking.ask("AddProviderKey", parent="providers/edge", key=key)) != "UNAVAILABLE":
        flaws.append(f"without its store a key is added: {code}")
    os.rename(folder / "away", folder / "data")
    return flaws
