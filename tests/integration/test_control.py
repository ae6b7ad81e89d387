"""The control process: it administers several workers from beside them, and whatever becomes of it, they serve on."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from google.rpc import status_pb2
from llm_gateway.app import frames, workers
from llm_gateway.app.connected import Connected
from llm_gateway.app.frames import Answer, Call, Cancel, Connection, Failure, Hello, Welcome
from llm_gateway.errors import Code, WorkerUnavailable
from llm_gateway.store import master
from llm_gateway.upstream.processes import watcher_child
from llmgateway import AsyncClient, GatewayError, Unavailable
from llmgateway.admin import AsyncAdminClient
from llmgateway.admin.v1.settings_pb2 import ProviderSettings

from tests.integration.test_administration import CONFIG, SECRETS, Running, key_line, key_of, started
from tests.integration.test_administration_changes import targets, with_store
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import Upstream
from tests.support.waiting import eventually, eventually_blocking

TWO: dict[str, Any] = {**CONFIG, "server": {"workers": 2, "reload_interval": "0s"}}


def both_serve(running: Running) -> None:
    """Wait for both workers, and for the control process to know them."""
    for event in ("serving", "worker connected"):
        assert len(running.wait_for(event, 2)) == 2


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Running]:
    """A gateway with two workers, both connected to the control process."""
    with started(tmp_path, TWO) as running:
        both_serve(running)
        yield running


TAKEN = "changes at run time taken"
SOON = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 1000)]
"""For a client that connects again soon, and does not share the failures of another one."""


def children(running: Running) -> tuple[psutil.Process, list[psutil.Process]]:
    """The control process, and the workers in the order of their numbers."""
    found: dict[str, psutil.Process] = {}
    for child in psutil.Process(running.pid).children():
        found[child.environ()[workers.WORKER]] = child
    return found.pop(workers.CONTROL), [found[number] for number in sorted(found)]


async def test_a_control_process_that_is_killed_costs_no_call_and_comes_back(two: Running) -> None:
    """kill -9 under load: calls go on, and the administration is back at its address, with both workers."""
    over = asyncio.Event()
    served = [0] * 4

    async def load(number: int) -> None:
        async with AsyncClient(two.serving, timeout=120, options=[("grpc.enable_retries", 0)]) as client:
            while not over.is_set():
                assert (await client.chat("hi", model="echo/echo")).text == "hi"
                served[number] += 1

    loads = [asyncio.create_task(load(number)) for number in range(4)]
    await eventually(lambda: min(served) > 0, "all are served")
    control, _ = children(two)
    control.kill()
    await eventually(lambda: len(two.lines("worker connected")) == 4, "both workers are connected again")
    before = list(served)
    await eventually(lambda: all(now > then for now, then in zip(served, before, strict=True)), "all are served still")
    over.set()
    await asyncio.gather(*loads)
    async with AsyncAdminClient(two.address, api_key=key_of("admin"), timeout=120) as admin:
        assert (await admin.explain("plain")).groups[0].destinations[0].target == "echo/echo"


async def test_a_worker_that_is_killed_is_replaced_by_one_that_is_asked(two: Running) -> None:
    """What it was asked is asked of the other; its successor connects too, and knows the configuration that is in force."""
    async with AsyncAdminClient(two.address, api_key=key_of("admin"), timeout=120) as admin:
        _, both = children(two)
        for worker in both:
            worker.suspend()
        asked = asyncio.create_task(admin.explain("plain"))
        await asyncio.sleep(0.2)  # the question is on its way to one of them
        first = next(worker for worker in both if str(worker.pid) == str(two.lines("worker connected")[0]["pid"]))
        first.kill()
        for worker in both:
            if worker != first:
                worker.resume()
        assert (await asked).groups
        await eventually(lambda: len(two.lines("worker connected")) == 3, "the new one is connected")
        await eventually(lambda: len(two.lines("serving")) == 3, "it serves: until then it answers nothing")
        before = await admin.reload_config()
        two.write(lambda settings: settings.update(breaker={"window": "3s"}))
        done = await admin.reload_config()
    assert done.previous_version == before.version != done.version
    await eventually(lambda: reloaded(two, done.version) == 3, "all have taken it")


def reloaded(running: Running, version: str) -> int:
    """How many processes have read this version again."""
    return sum(line["version"] == version for line in running.lines("configuration reloaded"))


def all_took(running: Running, event: str, what: str, value: object) -> None:
    """All three processes have, by their lines in the log, and had before the administrator was answered, but for those that the log named as
    behind. Lines are written soon after, not before."""

    def lines(event: str) -> list[dict[str, Any]]:
        found = [line for line in running.lines(event) if line.get(what) == value]
        return [line for line in found if not line.get("validate_only")]

    eventually_blocking(lambda: len(lines(event)) == 3 and lines("audit"), f"three lines of {event}, and an answer")
    answered = lines("audit")[-1]["timestamp"]
    late = [line for line in lines(event) if line["timestamp"] > answered]
    assert len(late) <= len([line for line in lines("worker is behind") if line["timestamp"] <= answered])


def test_a_reload_is_done_when_all_workers_have_taken_it(two: Running) -> None:
    """The answer comes after them; a check changes nothing anywhere."""
    with two.admin("operator") as admin:
        two.write(lambda settings: settings["routes"].update(new={"targets": ["echo/echo"]}))
        checked = admin.reload_config(validate_only=True)
        assert reloaded(two, checked.version) == 0
        done = admin.reload_config()
        all_took(two, "configuration reloaded", "version", done.version)
        assert admin.explain("new").groups
    assert [line["result"] for line in two.wait_for("audit", 2)] == ["OK", "OK"]


def test_a_worker_that_does_not_answer_fails_the_reload_by_its_number(two: Running) -> None:
    """It is stopped; when it goes on it takes what it was told."""
    _, [_, second] = children(two)
    two.write(lambda settings: settings.update(breaker={"window": "3s"}))
    second.suspend()
    with two.admin("operator") as admin:
        with pytest.raises(Unavailable, match="Worker 1 does not answer within 10 s") as caught:
            admin.reload_config()
        assert caught.value.reason == "WORKER_UNAVAILABLE"
        version = admin.get_effective_config("breaker").version
    second.resume()
    eventually_blocking(lambda: reloaded(two, version) == 3, "it has taken it too")


def test_sighup_reaches_the_control_process(two: Running) -> None:
    """A new key of the administration opens, though nobody asked for a reload."""
    two.write(lambda settings: settings["admin"]["keys"].append(key_line("newcomer", "viewer")))
    os.kill(two.pid, signal.SIGHUP)
    two.wait_for("configuration reloaded", 3)
    with two.admin("newcomer") as newcomer:
        assert newcomer.list_routes()


async def test_the_administration_answers_while_workers_drain(upstream: Upstream, tmp_path: Path) -> None:
    """SIGTERM with a call under way: what only a worker knows is told still, and everything ends well once the call is over."""
    gate = asyncio.Event()
    upstream.script((scripted.Until(gate), *scripted.chat("late")))
    server = {"workers": 2, "shutdown_grace": "120s"}
    config = {**TWO, "server": server, "providers": {"edge": gateways.provider(upstream.url), "echo": {}}}
    with started(tmp_path, config) as running:
        both_serve(running)
        folder = Path(children(running)[0].environ()[workers.SOCKET]).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        async with (
            AsyncClient(running.serving, timeout=120) as client,
            AsyncAdminClient(running.address, api_key=key_of("admin"), timeout=120) as admin,
        ):
            call = asyncio.create_task(client.chat("hi", model="edge/m"))
            await upstream.seen(requests=1)
            os.kill(running.pid, signal.SIGTERM)
            await eventually(lambda: len(running.lines("draining")) == 2, "both drain")
            assert (await admin.explain("plain")).groups
            gate.set()
            assert (await call).text == "late"
        await eventually(lambda: not psutil.pid_exists(running.pid) or ended(running.pid), "the supervisor ended")
    assert not folder.exists()


def ended(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_nothing_outlives_a_supervisor_that_was_killed(two: Running) -> None:
    """Neither a worker nor the control process; the folder of their socket is removed by the next gateway."""
    control, both = children(two)
    os.kill(two.pid, signal.SIGKILL)
    psutil.wait_procs([control, *both], 120)
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in (control, *both))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Running]:
    """Two workers, and a store."""
    config = with_store(tmp_path, server={"workers": 2, "reload_interval": "0s", "api_keys": [SECRETS["caller"]]})
    with started(tmp_path, config) as running:
        both_serve(running)
        yield running


def taken(running: Running, revision: int) -> int:
    """How many processes have taken a revision."""
    return sum(line["revision"] == revision for line in running.lines(TAKEN))


async def called(running: Running, model: str, connections: int = 16) -> set[str]:
    """How calls of a model ended, each over a connection of its own, so that they come to both workers."""

    async def call() -> str:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        async with AsyncClient(running.serving, api_key=SECRETS["caller"], timeout=120, options=options) as client:
            try:
                return (await client.chat("hi", model=model)).text
            except GatewayError as error:
                return error.reason

    return set(await asyncio.gather(*(call() for _ in range(connections))))


async def test_what_is_set_at_run_time_is_served_by_every_worker_and_by_its_successor(kept: Running) -> None:
    """The answer comes when both have taken it, keys included; workers that are killed are told before they serve."""
    async with AsyncAdminClient(kept.address, api_key=key_of("admin"), timeout=120) as admin:
        made = await admin.create_provider("mine", ProviderSettings(kind="echo", default_model="echo"))
        all_took(kept, TAKEN, "revision", made.revision)
        await admin.create_route("here", targets("mine/echo"))
        all_took(kept, TAKEN, "revision", 2)
        assert await called(kept, "here") == {"hi"}
        await admin.add_provider_key("edge", "edge-key-0123456789abcdef")
        all_took(kept, TAKEN, "revision", 3)
        [tested] = await admin.test_provider("edge")  # by a worker
        assert tested.reason == "PROVIDER_UNAVAILABLE"
    _, both = children(kept)
    for worker in both:
        worker.kill()
    await eventually(lambda: len(kept.lines("serving")) == 4, "two more serve")
    assert await called(kept, "here") == {"hi"}
    assert "edge-key-0123456789abcdef" not in kept.log.read_text()


async def test_a_worker_that_is_held_up_does_not_hold_up_a_change_and_takes_it_later(kept: Running) -> None:
    """It is named in the log."""
    _, [first, _] = children(kept)
    first.suspend()
    async with AsyncAdminClient(kept.address, api_key=key_of("admin"), timeout=120) as admin:
        made = await admin.create_route("here", targets("echo/echo"))

    def named() -> bool:
        return any(
            (line["worker"], line["revision"]) == ("0", made.revision) for line in kept.lines("worker is behind")
        )

    await eventually(named, "the log names it")
    await eventually(lambda: taken(kept, made.revision) == 2, "the others have taken it")
    first.resume()
    await eventually(lambda: taken(kept, made.revision) == 3, "it has taken it")
    assert await called(kept, "here") == {"hi"}


async def test_a_worker_that_starts_while_nobody_tells_it_serves_the_file_and_takes_the_rest_later(
    kept: Running,
) -> None:
    """The control process is stopped meanwhile; the worker waits for it for a while."""
    async with AsyncAdminClient(kept.address, api_key=key_of("admin"), timeout=120) as admin:
        made = await admin.create_route("here", targets("echo/echo"))
    await eventually(lambda: taken(kept, made.revision) == 3, "all have taken it")
    control, both = children(kept)
    control.suspend()
    for worker in both:
        worker.kill()
    await eventually(lambda: len(kept.lines("serving")) == 4, "two more serve")
    assert await called(kept, "plain") == {"hi"}
    assert await called(kept, "here") == {"STORE_UNAVAILABLE"}
    control.resume()
    await eventually(lambda: taken(kept, made.revision) == 5, "they have taken it")
    assert await called(kept, "here") == {"hi"}


async def test_no_change_that_was_acknowledged_is_lost_with_the_control_process(kept: Running) -> None:
    """kill -9 again and again in a stream of changes: each that was answered is there, in the store and in both workers; serving goes on."""
    acknowledged: list[str] = []
    over = asyncio.Event()

    async def change() -> None:
        number = 0
        async with AsyncAdminClient(kept.address, api_key=key_of("admin"), timeout=120, options=SOON) as admin:
            while not over.is_set():
                number += 1
                try:
                    await admin.create_route(f"r{number}", targets("echo/echo"))
                except GatewayError:
                    await asyncio.sleep(0.05)
                else:
                    acknowledged.append(f"r{number}")

    changing = asyncio.create_task(change())
    ends: set[str] = set()
    for kills in range(1, 4):
        before = len(acknowledged)
        await eventually(lambda before=before: len(acknowledged) > before + 3, "changes are acknowledged")  # type: ignore[misc]
        children(kept)[0].kill()
        ends |= await called(kept, "plain", 4)
        await eventually(lambda kills=kills: len(kept.lines("worker connected")) == 2 * (kills + 1), "both connect")  # type: ignore[misc]
    over.set()
    await changing
    assert ends == {"hi"}
    async with AsyncAdminClient(kept.address, api_key=key_of("admin"), timeout=120, options=SOON) as admin:
        there = {route.name.removeprefix("routes/") for route in await admin.list_routes()}
        assert set(acknowledged) <= there
        last = await admin.create_route("last", targets("echo/echo"))
    all_took(kept, TAKEN, "revision", last.revision)
    for route in (acknowledged[0], acknowledged[-1], "last"):
        assert await called(kept, route, 8) == {"hi"}


def test_a_store_that_no_waiting_will_open_ends_the_start(tmp_path: Path) -> None:
    """The wrong master key: every process ends, with code 2 and the reason."""
    config = with_store(tmp_path, server={"workers": 2})
    with started(tmp_path, config) as running, running.admin("admin") as admin:
        admin.add_provider_key("edge", "edge-key-0123456789abcdef")
    (tmp_path / "master").unlink()
    master.write(str(tmp_path / "master"), master.new())
    command = [sys.executable, "-m", "llm_gateway", "serve", "--config", str(tmp_path / "gateway.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=gateways.environment(), check=False)
    assert done.returncode == 2, done.stderr
    assert "error: " in done.stderr
    assert "master" in done.stderr


def test_what_a_killed_supervisor_left_is_removed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is not locked any more; one that is stays."""
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:  # a path that is short enough for a socket
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        left = Path(temporary, f"{watcher_child.PREFIX}left")
        left.mkdir()
        (left / "control").touch()
        os.utime(left, (0, 0))
        with workers._folder() as first:
            os.utime(first, (0, 0))
            with workers._folder() as second:
                assert {str(path) for path in Path(temporary).iterdir()} == {first, second}
        assert not list(Path(temporary).iterdir())


def test_where_no_temporary_files_can_be_written_the_socket_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an image whose root is read-only; where that cannot be either, the start says what to mount."""

    def none() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", none)
    writable = {"/dev/shm"}
    monkeypatch.setattr(os, "access", lambda path, _: path in writable)
    assert workers._temporary() == "/dev/shm"
    writable.clear()
    with pytest.raises(OSError, match="neither /tmp nor /dev/shm can be written; mount one"):
        workers._temporary()


@asynccontextmanager
async def control_socket() -> AsyncIterator[tuple[Connected, str]]:
    """The control process's end of the socket, and its path."""
    connected = Connected()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/control"
        server = await asyncio.start_unix_server(connected.take, path)
        yield connected, path
        server.close()
        await connected.close()


class Scripted:
    """A worker's end: answers what it is asked with what it is told to say, in that order; None is silence, and the end."""

    def __init__(self, path: str, number: str, *script: Callable[[Call], Answer | Failure] | None) -> None:
        self._script = list(script)
        self.heard: list[Any] = []
        self.running = asyncio.create_task(self._run(path, number))

    async def _run(self, path: str, number: str) -> None:
        connection = Connection(*await asyncio.open_unix_connection(path))
        try:
            connection.send(Hello(number=number, pid=os.getpid()))
            async for frame in connection.frames():
                self.heard.append(frame)
                if isinstance(frame, Call):
                    answer = self._script.pop(0)
                    if answer is None:
                        break
                    connection.send(answer(frame))
        finally:
            connection.close()

    async def welcome(self) -> None:
        await eventually(lambda: Welcome() in self.heard, "it is welcome")


def says(message: bytes) -> Callable[[Call], Answer]:
    return lambda call: Answer(id=call.id, message=message)


def refuses(text: str) -> Callable[[Call], Failure]:
    status = status_pb2.Status(code=Code.FAILED_PRECONDITION, message=text)
    return lambda call: Failure(id=call.id, status=status.SerializeToString(), text=text)


async def test_a_question_waits_for_a_worker_and_finds_the_next_when_it_ends() -> None:
    """Nobody is there at first; the first one that comes ends without an answer."""
    async with control_socket() as (connected, path):
        asked = asyncio.create_task(connected.ask("/p", b"q", "id"))
        await asyncio.sleep(0)
        await Scripted(path, "0", None).running
        second = Scripted(path, "1", says(b"a"))
        assert await asked == b"a"
        assert second.heard == [Welcome(), Call(id=1, path="/p", request=b"q", request_id="id")]


async def test_nobody_who_could_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither without a worker, nor with one after the other that ends."""
    async with control_socket() as (connected, path):
        monkeypatch.setattr("llm_gateway.app.connected.CONNECTED_WITHIN", 0.01)
        with pytest.raises(WorkerUnavailable, match="No worker process answers now"):
            await connected.ask("/p", b"q", "id")
        monkeypatch.setattr("llm_gateway.app.connected.CONNECTED_WITHIN", 120.0)
        asked = asyncio.create_task(connected.ask("/p", b"q", "id"))
        for number in ("0", "1"):
            await Scripted(path, number, None).running
        with pytest.raises(WorkerUnavailable, match="No worker process answers now"):
            await asked


async def test_all_are_asked_and_who_refused_is_told() -> None:
    """By number, with its own words; the others have answered."""
    async with control_socket() as (connected, path):
        both = Scripted(path, "0", says(b"a")), Scripted(path, "1", refuses("It is wrong."))
        for one in both:
            await one.welcome()
        failed = await connected.ask_all("/p", b"q", 120)
    assert {number: (error.told, error.code) for number, error in failed.items()} == {
        "1": ("It is wrong.", Code.FAILED_PRECONDITION)
    }


async def test_a_question_that_is_given_up_is_cancelled_there() -> None:
    """So that what the worker does for it ends."""
    async with control_socket() as (connected, path):
        worker = Scripted(path, "0", lambda call: Answer(id=-call.id, message=b""))  # to nobody
        asked = asyncio.create_task(connected.ask("/p", b"q", "id"))
        await eventually(lambda: len(worker.heard) == 2, "it is asked")
        asked.cancel()
        await eventually(lambda: Cancel(id=1) in worker.heard, "it is told")


async def test_frames_that_nobody_knows_are_passed_over_and_too_large_ones_end_the_connection() -> None:
    """Whatever comes first: the other side may be of another version of the program."""
    async with control_socket() as (connected, path):
        reader, writer = await asyncio.open_unix_connection(path)
        unknown = b"\x81\xa4type\xa6Future"
        for frame in (unknown, b"\xc1", msgspec.msgpack.encode(Hello(number="0", pid=1))):
            writer.write(len(frame).to_bytes(4, "big") + frame)
        assert (await reader.readexactly(4))[-1]  # it is welcome
        asked = asyncio.create_task(connected.ask("/p", b"q", "id"))
        await reader.readuntil(b"/p")
        writer.write((frames.MOST_BYTES + 1).to_bytes(4, "big"))
        await Scripted(path, "1", says(b"a")).welcome()
        assert await asked == b"a"
        writer.close()


async def test_a_process_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it could open the socket."""
    async with control_socket() as (_, path):
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()
