"""What may be configured: one frozen struct for each mapping of the file, one field for each key.

The field's type says how its text is read (``values``), its default what holds when the key is absent. Times are seconds,
sizes bytes, prices integer nano-USD for a million tokens. None means "not set"; the docstring says what then decides.
Mappings are read-only by agreement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Struct

from llm_gateway.config.secret import Secret

Duration: TypeAlias = Annotated[float, "duration"]
"""Seconds, zero allowed; written ``500ms``, ``2s``, ``1m30s``, ``1h``."""
Timeout: TypeAlias = Annotated[float, "timeout"]
"""Seconds above zero; written like a Duration."""
Size: TypeAlias = Annotated[int, "size"]
"""Bytes; written ``65536``, ``64KiB``, ``32MiB``, ``1GiB``."""
Count: TypeAlias = Annotated[int, "count"]
"""A whole number, zero allowed."""
Positive: TypeAlias = Annotated[int, "positive"]
"""A whole number above zero."""
Number: TypeAlias = Annotated[float, "number"]
"""A number, zero or more."""
Ratio: TypeAlias = Annotated[float, "ratio"]
"""A number from 0 to 1."""
Price: TypeAlias = Annotated[int, "price"]
"""Nano-USD for a million tokens; written in USD for a million tokens, such as ``3.00``."""
Url: TypeAlias = Annotated[str, "url"]
"""An http(s) URL without user, password, query or fragment; a trailing slash is dropped."""
File: TypeAlias = Annotated[str, "file"]
"""Path of an existing file, relative to the configuration file's folder."""
Credential: TypeAlias = Annotated[Secret, "credential"]
"""A key: one word of printable ASCII that is no placeholder."""
HeaderValue: TypeAlias = Annotated[Secret, "header"]
"""A secret of printable ASCII."""
Digest: TypeAlias = Annotated[Secret, "digest"]
"""SHA-256 of a key, written ``sha256:`` and 64 hexadecimal digits."""
SecretFile: TypeAlias = Annotated[str, "secret_file"]
"""Path of a file, as File; another environment may have it."""
Directory: TypeAlias = Annotated[str, "directory"]
"""Path of a directory, relative to the configuration file's folder; it need not exist."""
Name: TypeAlias = Annotated[str, "name"]
"""Letters, digits, ``.``, ``_`` and ``-``, starting with a letter or digit."""

Strategy: TypeAlias = Literal[
    "weighted", "round_robin", "least_loaded", "lowest_latency", "lowest_cost", "capability_score"
]
AdminRole: TypeAlias = Literal["viewer", "operator", "admin"]
"""What an administrator may do: look; test and reload; change settings. Each may what those before it may."""
Modality: TypeAlias = Literal["text", "image", "audio", "video", "document"]
Capability: TypeAlias = Literal[
    "streaming",
    "tools",
    "parallel_tools",
    "json_schema",
    "reasoning",
    "prompt_caching",
    "logprobs",
    "provider_tools",
    "candidates",
]


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key and the name it goes by in traces and logs; a bare string in the file gets the name ``key-N``."""

    key: Credential
    name: Name = ""


class ServerTls(Struct, frozen=True, kw_only=True):
    """Server certificate and key (PEM, both or neither); ``client_ca_file`` demands client certificates (mTLS)."""

    cert_file: File | None = None
    key_file: File | None = None
    client_ca_file: File | None = None


class ClientTls(Struct, frozen=True, kw_only=True):
    """TLS towards a provider: ``ca_file`` replaces the system's roots; ``cert_file`` and ``key_file`` (both or neither) are ours."""

    ca_file: File | None = None
    cert_file: File | None = None
    key_file: File | None = None


class Overrides(Struct, frozen=True, kw_only=True):
    """What ``x-llm-provider`` and ``x-llm-model`` may name; None allows whatever is configured, an empty list nothing."""

    providers: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None


class Log(Struct, frozen=True, kw_only=True):
    """Log lines on standard error: least level shown, JSON for machines or console for people; None: console on a terminal, else JSON."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] | None = None


class Keepalive(Struct, frozen=True, kw_only=True):
    """HTTP/2 pings (gRFC A8, A9): ours after ``time`` of silence, waiting ``timeout`` for the answer; a client that pings more
    often than ``min_ping_interval`` is disconnected with too_many_pings."""

    time: Timeout = 60.0
    timeout: Timeout = 20.0
    min_ping_interval: Timeout = 10.0
    permit_without_calls: bool = True


class Server(Struct, frozen=True, kw_only=True):
    """The gRPC server."""

    listen: str = "127.0.0.1:50051"
    """``host:port`` (port 0 picks one) or ``unix:/path``. Beyond loopback it needs ``api_keys``, and TLS or ``insecure``."""
    api_keys: tuple[ApiKey, ...] = ()
    """What callers present; without any the server is open, which only loopback allows."""
    tls: ServerTls | None = None
    insecure: bool = False
    reflection: bool = False
    shutdown_grace: Duration = 300.0
    """How long calls under way may take after the lame duck; what is left is cut."""
    lame_duck: Duration = 1.0
    """How long connections stay after SIGTERM, with health NOT_SERVING; then each gets GOAWAY."""
    max_message_bytes: Size = 32 << 20
    max_in_flight: Positive = 1000
    """Calls at once; more are refused with UNAVAILABLE."""
    send_timeout: Timeout = 60.0
    """How long one event of a stream may wait for a client that does not read; then the call ends."""
    overrides: Overrides = Overrides()
    log: Log = Log()
    keepalive: Keepalive = Keepalive()
    max_connections: Positive = 10_000
    """Further ones are closed at once."""
    max_streams: Positive = 1000
    """Calls at once on one connection; a client queues further ones."""
    max_connection_age: Timeout | None = None
    """After this a connection gets GOAWAY and ``max_connection_age_grace`` to finish; None keeps it."""
    max_connection_age_grace: Timeout = 600.0
    workers: Positive = 1
    """Processes that share the port (SO_REUSEPORT); limits hold for each."""
    reload_interval: Duration = 1.0
    """How often the files of the configuration are looked at; 0: only on SIGHUP."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """One of several addresses of a provider; a bare string in the file is the ``url``."""

    url: Url
    weight: Number = 1.0
    region: str | None = None


class ProviderTimeouts(Struct, frozen=True, kw_only=True):
    """Limits of one provider call: to connect (TLS included), to the first content event, between content events, as a whole."""

    connect: Timeout = 5.0
    first_event: Timeout = 120.0
    idle: Timeout = 120.0
    attempt: Timeout = 600.0


class Limits(Struct, frozen=True, kw_only=True):
    """Per endpoint: calls at once, calls that may wait for a permit, and how long. A call that cannot wait goes elsewhere."""

    concurrency: Positive = 1000
    queue: Count = 100
    queue_timeout: Duration = 1.0


class ModelPrice(Struct, frozen=True, kw_only=True):
    """What a model costs. None is unknown, never free."""

    input: Price | None = None
    output: Price | None = None
    cache_read: Price | None = None
    cache_write: Price | None = None


class ModelInfo(Struct, frozen=True, kw_only=True):
    """What the operator knows better than the catalogue, which decides about None and absent capabilities."""

    display_name: str | None = None
    aliases: tuple[str, ...] | None = None
    input_token_limit: Positive | None = None
    output_token_limit: Positive | None = None
    input_modalities: tuple[Modality, ...] | None = None
    output_modalities: tuple[Modality, ...] | None = None
    capabilities: Mapping[Capability, bool] = {}
    """Whether it has each; a list in the file means "has these"."""
    specialisations: tuple[str, ...] | None = None
    score: Number | None = None
    """How good the model is in general, for ``capability_score``; higher wins."""
    deprecated: bool | None = None


class Provider(Struct, frozen=True, kw_only=True):
    """A provider under its id. What is absent comes from the row of its kind."""

    kind: str = ""
    """A row of the provider table; when absent the id, or what it is an alias of."""
    enabled: bool = True
    endpoint: Url | None = None
    """Base URL; or several in `endpoints`. Read `servers`."""
    endpoints: tuple[Endpoint, ...] = ()
    api_key: Credential | None = None
    """One key, or several in `api_keys`; when absent the kind's usual environment variable, unless an endpoint is set. ``none`` is an
    empty secret: no credentials are sent. Read `keys`."""
    api_keys: tuple[ApiKey, ...] = ()
    credentials: Mapping[str, Secret] = {}
    """Named secrets of kinds that sign in with more than a key, such as ``secret_access_key``."""
    default_model: str | None = None
    """For callers that name none."""
    models: tuple[str, ...] | None = None
    """The ids it serves; None asks its model list."""
    api: Literal["chat", "responses"] | None = None
    """OpenAI's wire format: Chat Completions or Responses; None lets the kind choose for each request."""
    resolve: Literal["one", "all"] = "one"
    """Whether each address of a name in its URLs is an endpoint of its own, which comes and goes with DNS."""
    region: str | None = None
    project: str | None = None
    location: str | None = None
    publisher: str | None = None
    api_version: str | None = None
    headers: Mapping[str, HeaderValue] = {}
    options: Mapping[str, Any] = {}
    """Settings only this kind knows; never a secret."""
    local: bool | None = None
    """Runs on the operator's own machines; None lets the kind decide."""
    proxy: Secret | None = None
    """HTTP proxy for this provider; None goes direct, whatever the environment says."""
    tls: ClientTls = ClientTls()
    timeouts: ProviderTimeouts = ProviderTimeouts()
    limits: Limits = Limits()
    prices: Mapping[str, ModelPrice] = {}
    """By model id or ``*``."""
    model_info: Mapping[str, ModelInfo] = {}
    """By model id."""

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """The keys to sign in with; empty when there is none."""
        return self.api_keys or ((ApiKey(key=self.api_key, name="key-1"),) if self.api_key else ())

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """The configured addresses; empty leaves the kind's own."""
        return self.endpoints or ((Endpoint(url=self.endpoint, region=self.region),) if self.endpoint else ())


class Target(Struct, frozen=True, kw_only=True):
    """A model of a provider; in the file ``provider/model`` is enough."""

    provider: str
    model: str = ""
    """When absent the provider's ``default_model``, filled in on loading."""
    weight: Number = 1.0
    """0 takes no new calls (drains)."""
    capabilities: Mapping[Capability, bool] = {}
    """Overrides for this target alone, as in ``model_info``."""


class RouteTimeouts(Struct, frozen=True, kw_only=True):
    """``total`` bounds the call over all attempts, as the caller's own deadline does; the others replace the provider's."""

    total: Timeout = 600.0
    first_event: Timeout | None = None
    idle: Timeout | None = None
    attempt: Timeout | None = None


class Retry(Struct, frozen=True, kw_only=True):
    """Attempts beyond the first."""

    max_attempts: Positive = 3
    """Provider calls in all, over keys and targets together."""
    initial_backoff: Timeout = 0.25
    """Full jitter draws from 0 to initial·2ⁿ, at most ``max_backoff``."""
    max_backoff: Timeout = 8.0
    max_retry_after: Duration = 10.0
    """The longest Retry-After that is waited for; a longer one moves on to the next target. Also how long calls wait for their turn at a
    provider that limits them, where there is no other target."""
    budget_ratio: Ratio = 1.0
    """What a success returns to the token bucket of its targets (gRFC A6)."""
    budget_size: Positive = 20
    """Of the bucket: a retry after a failure takes a token while half of them are left."""


class Arm(Struct, frozen=True, kw_only=True):
    """One arm of an experiment: a target with a name of its own."""

    name: Name
    provider: str
    model: str = ""
    weight: Number = 1.0


class Experiment(Struct, frozen=True, kw_only=True):
    """A split by weight; ``sticky`` keeps a user or a conversation on its arm."""

    name: Name
    arms: tuple[Arm, ...]
    sticky: Literal["user", "conversation", "none"] = "none"


class Route(Struct, frozen=True, kw_only=True):
    """A name that callers use for a choice among targets."""

    targets: tuple[Target, ...] = ()
    """The choice, by `strategy`."""
    strategy: Strategy = "weighted"
    fallbacks: tuple[Target, ...] = ()
    """In order, when the targets failed."""
    context_fallbacks: tuple[Target, ...] = ()
    """In order, when the prompt was too long."""
    content_fallbacks: tuple[Target, ...] = ()
    """In order, when the prompt was refused for its content."""
    timeouts: RouteTimeouts = RouteTimeouts()
    retry: Retry = Retry()
    experiment: Experiment | None = None
    affinity: bool = False
    """Prefer the endpoint whose prompt cache is warm."""


class Breaker(Struct, frozen=True, kw_only=True):
    """Outlier detection for each key, endpoint and provider (after gRFC A50 and Envoy, scaled to LLM calls).

    Opens after ``consecutive_failures`` in a row, or when ``failure_ratio`` of at least ``min_calls`` in ``window`` failed. Stays open
    for ``base_ejection``, doubled each time up to ``max_ejection``; then ``probes`` calls decide. The share of traffic
    grows back over ``slow_start``. Callers' errors and rate limits never count. Calls without an alternative are refused only in an
    outage: ``consecutive_failures`` and no success in ``window``. One call per ejection time passes as a probe.
    """

    enabled: bool = True
    consecutive_failures: Positive = 5
    failure_ratio: Ratio = 0.25
    min_calls: Positive = 20
    window: Timeout = 10.0
    base_ejection: Timeout = 1.0
    max_ejection: Timeout = 4.0
    probes: Positive = 1
    slow_start: Duration = 5.0


class Defaults(Struct, frozen=True, kw_only=True):
    """For calls that name no route, and for what a request leaves unset."""

    max_output_tokens: Positive | None = None
    """None leaves it to the provider."""
    prompt_caching: bool = False
    """Ask for prompt caching where the caller says nothing."""
    timeouts: RouteTimeouts = RouteTimeouts()
    retry: Retry = Retry()


class Telemetry(Struct, frozen=True, kw_only=True):
    """Besides the standard ``OTEL_*`` variables, which choose exporters."""

    service_name: str = "llm-gateway"
    """Used when no variable names the service."""
    propagate: bool = False
    """Send ``traceparent`` to providers."""


class Discovery(Struct, frozen=True, kw_only=True):
    """What the gateway finds out by itself, beside the calls."""

    interval: Duration = 600.0
    """How often a provider without ``models`` is asked for its list, by each process as many times more seldom as there are ``workers``; 0: only when
    a call wants to know."""
    local_interval: Duration = 15.0
    """The same for providers on the operator's machines, by each process. Without a file also how often Ollama and LM Studio are looked for; 0: only
    at the start, and their lists as the others'."""


class AdminKey(Struct, frozen=True, kw_only=True):
    """A key of the administration. The file has its hash only; ``llm-gateway admin-key new`` makes both."""

    name: Name
    role: AdminRole
    hash: Digest


class AdminCertificate(Struct, frozen=True, kw_only=True):
    """Who presents a client certificate with this subject alternative name (a DNS name, an address, a URI), and what they may do."""

    san: str
    role: AdminRole


class Admin(Struct, frozen=True, kw_only=True):
    """The administration's port, beside the one that serves calls. Without this section there is none.

    listen: ``host:port`` (port 0 picks one) or ``unix:/path``. Beyond loopback it needs ``tls``.
    keys: one of them is demanded of every call, where there are any.
    client_certificates: require demands a certificate by an authority in ``tls.client_ca_file``. certificates: their roles; where there are any,
    a certificate that is not listed opens nothing. Where a key is demanded as well, the call may do what both roles allow.
    """

    listen: str = "127.0.0.1:50052"
    keys: tuple[AdminKey, ...] = ()
    client_certificates: Literal["none", "require"] = "none"
    certificates: tuple[AdminCertificate, ...] = ()
    tls: ServerTls | None = None


class MasterKeySource(Struct, frozen=True, kw_only=True):
    """Where a master key is: in a file, in an environment variable, or in what a command prints; one of them."""

    file: SecretFile | None = None
    env: str | None = None
    command: tuple[str, ...] = ()


class Store(Struct, frozen=True, kw_only=True):
    """Where what is set at run time is kept: in a directory (SQLite), or in a PostgreSQL that several replicas share; one of them.

    master_key: seals the keys that are kept; needed for keys only. old_master_keys: those that still open what they have sealed.
    """

    directory: Directory | None = None
    url: Secret | None = None
    master_key: MasterKeySource | None = None
    old_master_keys: tuple[MasterKeySource, ...] = ()


class Config(Struct, frozen=True, kw_only=True):
    """The whole configuration."""

    server: Server = Server()
    admin: Admin | None = None
    store: Store | None = None
    """Without it the administration only looks, tests and reloads."""
    providers: Mapping[str, Provider] = {}
    """The enabled ones only; never empty."""
    routes: Mapping[str, Route] = {}
    default_provider: str | None = None
    """Serves calls that name neither provider nor route; when absent the only provider, if there is just one."""
    default_model: str | None = None
    """For calls that name none: a route, a ``provider/model``, or a model of the default provider."""
    defaults: Defaults = Defaults()
    breaker: Breaker = Breaker()
    discovery: Discovery = Discovery()
    telemetry: Telemetry = Telemetry()

    def models_named(self) -> Mapping[str, frozenset[str]]:
        """By provider its models that the configuration names anywhere."""
        found: dict[str, set[str | None]] = {
            name: {*(one.models or ()), *one.model_info, one.default_model} for name, one in self.providers.items()
        }
        if model := self.default_model:
            for provider in {model[: max(model.find("/"), 0)], self.default_provider or ""} & found.keys():
                found[provider].add(model)
        for route in self.routes.values():
            arms = route.experiment.arms if route.experiment is not None else ()
            for group in (route.targets, route.fallbacks, route.context_fallbacks, route.content_fallbacks, arms):
                for target in group:
                    found[target.provider].add(target.model)
        return {
            name: frozenset(model.removeprefix(f"{name}/") for model in models if model)
            for name, models in found.items()
        }

    @property
    def stands_in(self) -> bool:
        """Whether the embedded provider answers because nothing was configured."""
        return any(provider.options.get("stands_in") is True for provider in self.providers.values())
