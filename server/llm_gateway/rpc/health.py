"""Health, twice: the contract's Health RPC for people, and grpc.health.v1 for machines. Neither calls a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic, time
from typing import TypeAlias

from google.protobuf import timestamp_pb2
from grpc_health.v1 import health_pb2 as machine_pb2
from grpc_health.v1 import health_pb2_grpc as machine_grpc
from llmgateway.v1 import health_pb2

from llm_gateway import __version__, durations
from llm_gateway.errors import Code, ProviderError, ProviderNotConfigured
from llm_gateway.routing.state import EndpointState, Failure
from llm_gateway.routing.targets import Endpoint, Provider
from llm_gateway.rpc.chain import Rpc
from llm_gateway.rpc.methods import GATEWAY

Status: TypeAlias = "machine_pb2.HealthCheckResponse.ServingStatus.ValueType"

SERVICE: str = GATEWAY.full_name
PROBE_EVERY = 5.0
"""Seconds before a provider is probed again; a probe asked for sooner gets the last result."""
FORGOTTEN = 60.0
"""Seconds after which a failure says nothing of the present."""

NOTHING_CONFIGURED = "NO_PROVIDER_CONFIGURED"
"""Reason of the embedded provider's state where it stands in for one."""

_CIRCUITS = {
    "closed": health_pb2.CIRCUIT_STATE_CLOSED,
    "open": health_pb2.CIRCUIT_STATE_OPEN,
    "half_open": health_pb2.CIRCUIT_STATE_HALF_OPEN,
}


class MachineHealth(machine_grpc.HealthServicer):
    """grpc.health.v1 with Check, Watch and List. "" is the process; the gateway's service name is its readiness.

    A Watch that its client does not read holds up itself alone: neither the others, nor the drain, which says NOT_SERVING first.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {"": machine_pb2.HealthCheckResponse.SERVING}
        self._changed = asyncio.Event()

    async def Check(  # noqa: N802 - the protocol's name
        self, request: machine_pb2.HealthCheckRequest, rpc: Rpc
    ) -> machine_pb2.HealthCheckResponse:
        status = self._statuses.get(request.service)
        if status is None:
            await rpc.end(Code.NOT_FOUND)
        return machine_pb2.HealthCheckResponse(status=status)

    async def Watch(  # noqa: N802 - the protocol's name
        self, request: machine_pb2.HealthCheckRequest, rpc: Rpc
    ) -> None:
        unknown = machine_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        told: Status | None = None
        while True:
            changed = self._changed
            status = self._statuses.get(request.service, unknown)
            if status != told:
                await rpc.write(machine_pb2.HealthCheckResponse(status=status))
                told = status
            await changed.wait()

    async def List(  # noqa: N802 - the protocol's name
        self, request: machine_pb2.HealthListRequest, rpc: Rpc
    ) -> machine_pb2.HealthListResponse:
        statuses = {name: machine_pb2.HealthCheckResponse(status=status) for name, status in self._statuses.items()}
        return machine_pb2.HealthListResponse(statuses=statuses)

    def ready(self, serving: bool) -> None:
        """Say whether calls should come."""
        status = machine_pb2.HealthCheckResponse.SERVING if serving else machine_pb2.HealthCheckResponse.NOT_SERVING
        self._statuses[SERVICE] = status
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class HealthView:
    """The contract's Health RPC: what recent calls have shown; on request also a model list of each provider, at most every PROBE_EVERY seconds."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        config_version: str,
        in_flight: Callable[[], int],
        draining: Callable[[], bool],
        started: float | None = None,
        stands_in: bool = False,
        config_time: float = 0.0,
        refused: Callable[[], tuple[str, float] | None] = lambda: None,
        unreached: Callable[[str], Failure | None] = lambda provider: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """started: when the gateway started, by the clock; now, unless given. stands_in: the only provider is there because nothing was
        configured, which counts as degraded. config_time: since when this configuration is in force (Unix time). refused: why the one in the files
        is not, and since when; None: it is. unreached: of a provider that was not reached when it was last asked for its models."""
        self._providers = {provider.id: provider for provider in providers}
        self._config_version = config_version
        self._in_flight = in_flight
        self._draining = draining
        self._clock = clock
        self._started = clock() if started is None else started
        self._stands_in = stands_in
        self._config_time = config_time
        self._refused = refused
        self._unreached = unreached
        self._probed: dict[Endpoint, tuple[float, Failure | bool]] = {}

    async def health(self, request: health_pb2.HealthRequest) -> health_pb2.HealthResponse:
        """Raises ProviderNotConfigured."""
        if request.provider and request.provider not in self._providers:
            raise ProviderNotConfigured(
                f"No provider of this name is configured; there are: {', '.join(sorted(self._providers))}."
            )
        chosen = [p for p in self._providers.values() if request.provider in ("", p.id)]
        endpoints = [(provider, endpoint) for provider in chosen for endpoint in provider.endpoints]
        if request.probe:
            await asyncio.gather(*(self._probe(endpoint) for _, endpoint in endpoints))
        views = [self._view(provider, endpoint, request.probe) for provider, endpoint in endpoints]
        draining = self._draining()
        sick = any(
            view.status in (health_pb2.HEALTH_STATUS_DEGRADED, health_pb2.HEALTH_STATUS_NOT_SERVING) for view in views
        )
        status = health_pb2.HEALTH_STATUS_DEGRADED if sick else health_pb2.HEALTH_STATUS_SERVING
        uptime = self._clock() - self._started
        answer = health_pb2.HealthResponse(
            status=health_pb2.HEALTH_STATUS_NOT_SERVING if draining else status,
            version=__version__,
            uptime=durations.to_proto(uptime),
            providers=views,
            draining=draining,
            in_flight=self._in_flight(),
            config_version=self._config_version,
            config_time=_timestamp(self._config_time),
        )
        if refused := self._refused():
            answer.config_refusal = refused[0]
            answer.config_refusal_time.CopyFrom(_timestamp(refused[1]))
        return answer

    async def _probe(self, endpoint: Endpoint) -> None:
        last = self._probed.get(endpoint)
        if last is not None and self._clock() - last[0] < PROBE_EVERY:
            return
        self._probed[endpoint] = (self._clock(), last is not None and last[1])
        try:
            await endpoint.upstream.list_models()
            found: Failure | bool = True
        except ProviderError as error:
            found = Failure.of(error, "", self._clock())
        self._probed[endpoint] = (self._clock(), found)

    def _view(self, provider: Provider, endpoint: Endpoint, probed: bool) -> health_pb2.ProviderHealth:
        state = endpoint.state
        deployments = state.deployments().values()
        breakers = [state.server, *(deployment.breaker for deployment in deployments)]
        circuit = next((word for word in ("open", "half_open") if any(b.state == word for b in breakers)), "closed")
        cooldown = max((deployment.limited.left() for deployment in deployments), default=0.0)
        latencies = sorted(deployment.latency for deployment in deployments if deployment.latency)
        view = health_pb2.ProviderHealth(
            provider=provider.id,
            deployment=endpoint.deployment,
            circuit_state=_CIRCUITS[circuit],
            error_rate=max(breaker.error_rate() for breaker in breakers),
        )
        if latencies:
            view.p50_first_event.CopyFrom(durations.to_proto(latencies[len(latencies) // 2]))
        now = self._clock()
        cooldown = max(cooldown, state.key.left())
        if cooldown:
            view.cooldown_until.CopyFrom(_timestamp(time() + cooldown))
        if state.last_success:
            view.last_success_time.CopyFrom(_timestamp(time() - (now - state.last_success)))
        found = probed and self._probed.get(endpoint, (now, False))[1]
        if not probed and len(provider.endpoints) == 1:
            unreached = self._unreached(provider.id)
            if unreached is not None and max(state.last_success, now - FORGOTTEN) < unreached.at:
                found = unreached
        failure = found if isinstance(found, Failure) else state.last_failure
        if failure is not None:
            view.last_error_reason, view.last_error_model = failure.reason, failure.model
            view.last_error_cause = failure.cause
            view.last_error_time.CopyFrom(_timestamp(time() - (now - failure.at)))
        if self._stands_in:
            view.status, view.last_error_reason = health_pb2.HEALTH_STATUS_DEGRADED, NOTHING_CONFIGURED
            view.last_error_cause = "no provider is configured: echo repeats what it is told"
        elif isinstance(found, Failure):
            view.status = health_pb2.HEALTH_STATUS_NOT_SERVING
        else:
            view.status = self._status(state, found)
        return view

    def _status(self, state: EndpointState, answers: bool) -> health_pb2.HealthStatus.ValueType:
        """What the calls of the last minute say of the present. answers: a probe was just answered.

        A model counts as failing if its last call failed, within FORGOTTEN, and calls for it are held back or none ever worked; all do while the
        address or the key fails.
        """
        now = self._clock()
        last = state.last_failure
        if not answers and last is not None and state.last_success <= last.at > now - FORGOTTEN:
            if state.key.left() or state.server.state != "closed":
                return health_pb2.HEALTH_STATUS_NOT_SERVING
        elif not answers and state.server.state == "open":  # by calls with another key
            return health_pb2.HEALTH_STATUS_NOT_SERVING
        works = fails = False
        for deployment in state.deployments().values():
            breaker, worked = deployment.breaker, deployment.succeeded_at > 0.0
            held = breaker.state != "closed" or deployment.limited.left() > 0.0
            if deployment.failed_at and (held or (breaker.consecutive and not worked)):
                fails = fails or deployment.failed_at > now - FORGOTTEN
            else:
                works = works or worked
        if fails:
            return health_pb2.HEALTH_STATUS_DEGRADED if works else health_pb2.HEALTH_STATUS_NOT_SERVING
        return health_pb2.HEALTH_STATUS_SERVING if works or answers else health_pb2.HEALTH_STATUS_UNKNOWN


def _timestamp(seconds: float) -> timestamp_pb2.Timestamp:
    whole = int(seconds)
    return timestamp_pb2.Timestamp(seconds=whole, nanos=int((seconds - whole) * 1e9))
