"""docs/administration.md stays true: its walk runs as it is written, under load where it says so."""

import asyncio
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from llmgateway import AsyncClient, GatewayError

from tests.support import gateway as gateways
from tests.support.addresses import free_address
from tests.support.shell import Shell, shell
from tests.support.upstream import DONE, event
from tests.support.waiting import eventually_blocking

PAGE = (Path(__file__).resolve().parents[2] / "docs/administration.md").read_text()
OLD, NEW = "edge-secret-0123456789-old", "edge-secret-0123456789-new"
RATE, MOST = 50, 32
"""Calls a second during the rotation, and calls at once: a machine that is slower makes fewer, instead of more and more that wait."""
FAILS = {
    "llm-gateway providers update edge --set timeouts.conect=30s": 2,
    'cat data/* | grep -a -c "$EDGE_KEY"': 1,
    'grep -c "$NEW_EDGE_KEY" store.jsonl': 1,
    "llm-gateway providers remove edge": 1,
    "llm-gateway config reload": 1,  # the first time
}
"""The commands that are shown to fail, by their exit codes."""


def steps() -> list[tuple[str, str]]:
    """The blocks of the walk with their languages, in order."""
    walk = PAGE.partition("## Walkthrough")[2].partition("\n## ")[0]
    return re.findall(r"^```(\w+)\n(.*?)^```", walk, re.MULTILINE | re.DOTALL)


class Vendor(ThreadingHTTPServer):
    """An OpenAI-compatible provider that accepts some keys and no others. seen: requests by key and status."""

    daemon_threads = True
    request_queue_size = 256  # connections that wait on a busy machine

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accepted = {OLD}
        self.seen: Counter[tuple[str, int]] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Vendor

    def do_GET(self) -> None:
        self._answer({"data": [{"id": "m", "object": "model"}]}, b"")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        message = {"role": "assistant", "content": "hello"}
        whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        stream = event("hello") + event("", "stop") + DONE if asked.get("stream") else b""
        self._answer({**whole, "choices": choices, "usage": usage}, stream)

    def _answer(self, whole: dict[str, Any], stream: bytes) -> None:
        key = self.headers["authorization"].removeprefix("Bearer ")
        status = 200 if key in self.server.accepted else 401
        body = (stream or json.dumps(whole).encode()) if status == 200 else b'{"error": {"message": "no"}}'
        self.server.seen[key, status] += 1
        self.send_response(status)
        self.send_header("content-type", "text/event-stream" if stream and status == 200 else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        pass


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Load:
    """RATE calls a second, whole and streamed ones by turns, MOST at once; how they ended."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._leave = threading.Event()
        self._under_way: set[int] = set()
        self.ended: Counter[str] = Counter()

    @contextmanager
    def running(self) -> Iterator["Load"]:
        thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        thread.start()
        try:
            yield self
        finally:
            self._leave.set()
            thread.join()

    def wait(self, more: int) -> None:
        """Until the calls that are under way have ended, and so many more."""
        now, until = self._under_way.copy(), self.ended.total() + more
        eventually_blocking(
            lambda: not now & self._under_way and self.ended.total() >= until,
            f"{more} more calls have ended; so far: {self.ended}",
        )

    async def _run(self) -> None:
        async with AsyncClient(self._address, timeout=120, options=[("grpc.enable_retries", 0)]) as client:
            calls: list[asyncio.Task[None]] = []
            while not self._leave.is_set():
                if len(self._under_way) < MOST:
                    self._under_way.add(len(calls))
                    calls.append(asyncio.create_task(self._call(client, len(calls))))
                await asyncio.sleep(1 / RATE)
            await asyncio.gather(*calls)

    async def _call(self, client: AsyncClient, number: int) -> None:
        try:
            if number % 2:
                text = (await client.chat("hi", model="edge/m")).text
            else:
                text = "".join([piece async for piece in client.stream("hi", model="edge/m")])
            self.ended["ok" if text == "hello" else f"said {text!r}"] += 1
        except GatewayError as error:
            self.ended[str(error)] += 1
        finally:
            self._under_way.discard(number)


def rotate(bash: Shell, block: str, fails: dict[str, int], log: Path, vendor: Vendor, address: str) -> str:
    """The commands of a rotation, under load, while the vendor learns of the new key before and forgets the old one after them."""
    with Load(address).running() as load:
        load.wait(RATE)
        vendor.accepted = {OLD, NEW}
        said = run(bash, block, fails, log)
        load.wait(RATE)  # those under way with the old key are over
        vendor.accepted = {NEW}
        load.wait(RATE)
    print(f"rotated under {RATE} calls/s: {dict(load.ended)}; at the provider: {dict(vendor.seen)}")
    assert set(load.ended) == {"ok"}, load.ended
    assert vendor.seen[NEW, 200] > 0
    assert not any(status != 200 for _, status in vendor.seen), vendor.seen
    return said


def run(bash: Shell, block: str, fails: dict[str, int], log: Path) -> str:
    """Every line of a block; what they print. fails: what is to fail yet, and does so once. log: of what serves; the next command need not wait for it."""
    said = []
    for command in block.splitlines():
        serves, before = command.endswith(" &"), served(log)
        text, code = bash.run(command.replace(" &", f" >> {log.name} 2>&1 &") if serves else command)
        if serves:
            eventually_blocking(lambda before=before: served(log) > before, "the gateway serves")  # type: ignore[misc]
        said.append(text)
        assert code == fails.pop(command, 0), f"{command}: {code}\n{text}"
    return "".join(said)


def served(log: Path) -> int:
    """How often the log says that the gateway serves."""
    return log.read_text().count('"event":"serving"') if log.exists() else 0


@pytest.mark.timeout(1200)  # some forty commands, each a process
def test_the_walk_of_the_page_runs_as_it_is_written(vendor: Vendor, tmp_path: Path) -> None:
    """Every command in its order, with the key that the first one makes; what the page shows is what comes; no file of the store holds a key."""
    serving, administration = free_address(), free_address()
    env = gateways.environment(
        {
            "LLM_GATEWAY_ADMIN": administration,
            "LLM_GATEWAY_ADDRESS": serving,
            "EDGE_KEY": OLD,
            "NEW_EDGE_KEY": NEW,
            "LLM_GATEWAY_RELOAD_INTERVAL": "0s",
        }
    )
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    key = line = said = ""
    fails = dict(FAILS)
    with shell(tmp_path, env) as bash:
        for language, block in steps():
            block = (
                block.replace("127.0.0.1:50051", serving)
                .replace("127.0.0.1:50052", administration)
                .replace("http://127.0.0.1:8000/v1", vendor.url)
                .replace("lgwadm-...", key)
            )
            if language == "yaml":
                (tmp_path / "gateway.yaml").write_text(re.sub(r"    - \{name: ops.*\}", line, block))
            elif language == "text":
                assert " ".join(block.split()) in " ".join(said.split())
            elif "keys rotate" in block:
                said = rotate(bash, block, fails, tmp_path / "serve.log", vendor, serving)
            else:
                said = run(bash, block, fails, tmp_path / "serve.log")
            if found := re.search(r"lgwadm-[0-9a-f]{64}", said):
                key = found[0]
                [line] = re.findall(r"    - \{name: ops.*\}", said)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    assert "llm-gateway.db" in kept
    for secret in (OLD, NEW):
        assert not [name for name, content in kept.items() if secret.encode() in content]
        assert secret not in (tmp_path / "serve.log").read_text()
    assert not fails
