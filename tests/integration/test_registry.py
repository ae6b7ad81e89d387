"""What is set at run time between store and gateway: kept before it is served, taken again when it could not be, followed where another has set it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest
from llm_gateway import config
from llm_gateway.admin.gateway import Reloaded
from llm_gateway.admin.registry import Registry
from llm_gateway.errors import ChangeNotInForce, Code, InvalidRequest, ResourceInUse
from llm_gateway.routing.table import RoutingTable
from llm_gateway.rpc.chain import Pairs, Rpc
from llm_gateway.store.records import State
from llm_gateway.store.store import Store
from msgspec.structs import replace

from tests.support.waiting import eventually_blocking

T = TypeVar("T")


class Call(Rpc):
    """A call of the administration that somebody else serves."""

    def __init__(self) -> None:
        super().__init__("/llmgateway.admin.v1.RouteService/CreateRoute", ())
        self.principal = "ops"

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> float | None:
        return None

    def set_trailers(self, pairs: Pairs) -> None:
        raise NotImplementedError

    async def end(self, code: Code, text: str = "", trailers: Pairs = ()) -> NoReturn:
        raise NotImplementedError


class Serving:
    """A gateway that takes what it is told to, but fails as often as it is told to."""

    def __init__(self) -> None:
        self.loaded = datetime.now(UTC)
        self.refusal: tuple[str, float] | None = None
        self.found = config.read(None, {})
        self.settings = self.found(config.Layer())
        self.failures = 0
        self.taken: list[int] = []
        self.looks: Callable[[], None] = lambda: None
        """Called before and after each change of the settings."""

    async def learned(self, resolve: Callable[[RoutingTable, bool], T]) -> T:
        raise NotImplementedError

    async def reload(self, *, check_only: bool) -> Reloaded:
        raise NotImplementedError

    async def preview(self, layer: config.Layer) -> config.Config:
        return self.found(layer)

    async def take(self, layer: config.Layer) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the words of a bug")
        self.looks()
        self.settings = self.found(layer)
        self.looks()
        self.taken.append(layer.revision)


@contextmanager
def registry(folder: Path, serving: Serving) -> Iterator[Registry]:
    one = Registry(Store.open(config.Store(directory=str(folder))), None)
    layer = one.load()
    assert layer is not None
    one.gateway = serving
    one.start()
    try:
        yield one
    finally:
        one.close()


def route(name: str) -> Callable[[State], State]:
    """Makes a route over the embedded provider."""

    def make(state: State) -> State:
        routes = {**state.entries.routes, name: {"targets": [{"provider": "echo", "model": "echo"}]}}
        return replace(state, entries=replace(state.entries, routes=routes))

    return make


def change(one: Registry, make: Callable[[State], State], **settings: Any) -> int:
    """The revision in force after a change."""
    done = asyncio.run(
        one.change(
            Call(), "routes/new", make, lambda state: dict(state.entries.routes), validate_only=False, **settings
        )
    )
    return done.state.revision


def test_what_is_kept_but_not_taken_is_told_and_taken_later(tmp_path: Path) -> None:
    """The answer says which revision it is, not the words of a bug; then it is in force by itself."""
    serving = Serving()
    with registry(tmp_path, serving) as one:
        assert change(one, route("first")) == 1
        serving.failures = 2
        with pytest.raises(ChangeNotInForce, match="kept as revision 2") as caught:
            change(one, route("second"))
        assert "words of a bug" not in str(caught.value)
        assert [revision.number for revision in one.store.revisions()] == [2, 1]
        eventually_blocking(lambda: serving.taken[-1:] == [2], "it is in force")
        assert set(serving.settings.routes) == {"first", "second"}
        assert change(one, route("third")) == 3


def test_what_another_replica_sets_is_in_force_here_too(tmp_path: Path) -> None:
    """Within what it takes to look; and a change that was made of what it had replaced is made anew, so that both are there."""
    here, there = Serving(), Serving()
    with registry(tmp_path, here) as one, registry(tmp_path, there) as other:
        assert change(one, route("here")) == 1
        eventually_blocking(lambda: there.taken[-1:] == [1], "the other has it")
        before = other._known
        assert change(one, route("again")) == 2
        other._known = before  # as if it had not looked since
        assert change(other, route("there")) == 3
        assert set(there.settings.routes) == {"here", "again", "there"}
        eventually_blocking(lambda: here.taken[-1:] == [3], "this one has it")


def test_what_the_gateway_serves_by_and_what_is_in_force_are_told_at_once(tmp_path: Path) -> None:
    """Whoever sees a setting in the gateway finds what was set with it, keys too, before the change is answered; not before it is served by."""
    file = tmp_path / "gateway.yaml"
    file.write_text(
        f"providers: {{echo: {{}}}}\nadmin: {{keys: [{{name: ops, role: admin, hash: 'sha256:{'0' * 64}'}}]}}"
    )
    serving = Serving()
    serving.found = config.read(str(file), {})
    with registry(tmp_path, serving) as one:
        seen: list[tuple[int, int | None]] = []

        def look() -> None:
            state = one.in_force
            seen.append((state.revision, one.since.get(("routes", "first"), (None,))[0]))

        serving.looks = look
        assert change(one, route("first")) == 1
        assert change(one, route("second")) == 2
    assert seen == [(0, None), (1, 1), (1, 1), (2, 1)]


def test_what_is_wrong_with_a_change_is_told_by_field_or_by_what_needs_it(tmp_path: Path) -> None:
    """And nothing of it is kept."""
    with registry(tmp_path, Serving()) as one:

        def wrong(state: State) -> State:
            routes: dict[str, Any] = {"new": {"targets": [{"provider": "nobody", "model": "m"}]}}
            return replace(state, entries=replace(state.entries, routes=routes))

        with pytest.raises(InvalidRequest) as caught:
            change(one, wrong, fields={"routes.new": "route.settings"})
        assert [each.field for each in caught.value.violations] == ["route.settings.targets[0].provider"]
        with pytest.raises(ResourceInUse, match="needed by routes/new") as needed:
            change(one, wrong)
        assert [each.field for each in needed.value.violations] == ["routes/new"]
        assert not one.store.revisions()
