"""Health tells the present: what a failure means now, by a clock that the test moves."""

import asyncio

import pytest
from llm_gateway import config, errors
from llm_gateway.providers.plugins import row
from llm_gateway.routing.outlier import Breaker, Cooldown
from llm_gateway.routing.state import EndpointState, Permits
from llm_gateway.routing.targets import Endpoint, Provider
from llm_gateway.rpc.health import HealthView
from llmgateway.v1 import health_pb2

from tests.support.chain import Clock, Scripted

SERVING, DEGRADED = health_pb2.HEALTH_STATUS_SERVING, health_pb2.HEALTH_STATUS_DEGRADED
NOT_SERVING, UNKNOWN = health_pb2.HEALTH_STATUS_NOT_SERVING, health_pb2.HEALTH_STATUS_UNKNOWN
DOWN = errors.ProviderUnavailable(status=500)


class Watched:
    """A provider with as many keys at one address, and its Health."""

    def __init__(self, keys: int = 1) -> None:
        self.clock = clock = Clock()
        policy = config.Breaker()
        server = Breaker(policy, clock)
        self.states = [
            EndpointState(server=server, key=Cooldown(clock), permits=Permits(), policy=policy, clock=clock)
            for _ in range(keys)
        ]
        endpoints = tuple(
            Endpoint(provider="p", deployment="", upstream=Scripted(), state=state) for state in self.states
        )
        self._view = HealthView(
            [Provider(id="p", settings=config.Provider(kind="openai"), row=row("openai"), endpoints=endpoints)],
            config_version="",
            in_flight=lambda: 0,
            draining=lambda: False,
            clock=clock,
        )

    @property
    def state(self) -> EndpointState:
        return self.states[0]

    def health(self) -> health_pb2.HealthResponse:
        return asyncio.run(self._view.health(health_pb2.HealthRequest()))

    def status(self) -> "health_pb2.HealthStatus.ValueType":
        """Of the first endpoint."""
        return self.health().providers[0].status

    def fail(self, model: str, error: errors.ProviderError = DOWN, times: int = 5) -> None:
        for _ in range(times):
            self.state.failed(model, error, self.state.begin(model))
            self.state.end()

    def succeed(self, model: str) -> None:
        probes = self.state.begin(model)
        self.state.succeeded(model, 0.1, probes)
        self.state.end()


def test_what_was_never_called_is_unknown_and_makes_nothing_sick() -> None:
    """Neither good nor bad; the gateway serves."""
    watched = Watched()
    assert watched.status() == UNKNOWN
    assert watched.health().status == SERVING


def test_a_failing_model_degrades_a_provider_whose_other_models_work() -> None:
    """One model of two; then the probe that succeeds ends it."""
    watched = Watched()
    watched.succeed("good")
    watched.fail("bad")
    assert watched.status() == DEGRADED
    watched.clock.now += 5
    watched.succeed("bad")
    assert watched.status() == SERVING


def test_a_provider_of_which_everything_fails_does_not_serve() -> None:
    """The only model that was called."""
    watched = Watched()
    watched.succeed("m")
    watched.fail("m")
    assert watched.status() == NOT_SERVING
    assert watched.health().status == DEGRADED


def test_a_failure_that_nobody_asked_after_is_forgotten_in_a_minute() -> None:
    """A model that failed 30 minutes ago says nothing of now; what works beside it does."""
    watched = Watched()
    watched.fail("bad")
    watched.clock.now += 61
    assert watched.status() == UNKNOWN
    watched.succeed("good")
    watched.clock.now += 1800
    assert watched.status() == SERVING
    view = watched.health().providers[0]
    assert (view.last_error_model, view.last_error_cause) == (
        "bad",
        "the provider failed (HTTP 500)",
    )
    assert view.last_error_time.seconds < view.last_success_time.seconds


def test_a_rejected_key_counts_until_a_call_succeeds() -> None:
    """One 401: not serving; the call after it that succeeds: serving, though the key is still cooling down."""
    watched = Watched()
    watched.fail("m", errors.CredentialsRejected(status=401), 1)
    assert watched.status() == NOT_SERVING
    watched.clock.now += 1
    watched.succeed("m")
    assert watched.state.key.left() > 0
    assert watched.status() == SERVING


def test_a_rate_limit_counts_for_its_model_while_it_lasts() -> None:
    """With a stated end; the other model keeps the provider up."""
    watched = Watched()
    watched.succeed("free")
    watched.fail("limited", errors.RateLimited(status=429, retry_after=20.0), 1)
    assert watched.status() == DEGRADED
    assert watched.health().providers[0].HasField("cooldown_until")
    watched.clock.now += 21
    assert watched.status() == SERVING


def test_a_dead_address_is_told_for_every_key_there() -> None:
    """The key that was not called shares the address."""
    watched = Watched(keys=2)
    watched.fail("m", errors.ProviderUnreachable(cause="connection refused at h:1"))
    assert [view.status for view in watched.health().providers] == [NOT_SERVING, NOT_SERVING]


@pytest.mark.parametrize(("worked", "told"), [(True, SERVING), (False, NOT_SERVING)])
def test_a_single_failure_counts_only_where_nothing_ever_worked(worked: bool, told: int) -> None:
    """One 500 among successes is a share of errors; as the first thing seen it is all that is known."""
    watched = Watched()
    if worked:
        watched.succeed("m")
    watched.clock.now += 1
    watched.fail("m", times=1)
    assert watched.status() == told
