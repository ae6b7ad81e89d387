"""What a file of this package says of its kind of provider: `Row`. The files name theirs ROW; plugins are given the same class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # 7 ms that gateways without OpenAI's formats do not need
    from llm_gateway.protocols.openai_choice import Chooser
    from llm_gateway.protocols.openai_dialects import ChatDialect, ResponsesDialect

Auth = Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "none"]
Identity = Literal["", "google", "entra", "aws"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spoken:
    """One API of a kind."""

    wire: str
    """Module of `llm_gateway.protocols`, or a plugin's, dotted."""
    dialects: str = ""
    """A module too, where `dialect` is a name; the wire format's unless given."""
    dialect: Any
    """What differs from others that speak the format: a `Dialect` of it, or what is looked up or made when it is used: its name in `dialects`,
    or the fields in which it differs from the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Usual:
    """What a kind reads from the environment, by its vendor's own habit."""

    key: tuple[str, ...] = ()
    """Variables of the API key; the first one set wins."""
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field of config.Provider → variables."""
    needs: tuple[str, ...] = ()
    """Fields that have no default."""
    keyless: bool = False
    """Can work without an API key: a local server, or a cloud's credential chain."""
    when: tuple[tuple[str, ...], ...] = ()
    """Groups of variables; a keyless kind is there when every variable of one group is set."""
    endpoint: Callable[[str], str] = str
    """The URL that a variable of the endpoint means."""
    shown: Mapping[str, str] | None = None
    """Variables of .env.example and what stands there; None for the key."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownModel:
    """What is known of a family of models that the provider's own list does not tell."""

    context: int | None = None
    """Most tokens of input and output together."""
    output: int | None = None
    """Most tokens of output."""
    can: frozenset[str] = frozenset()
    """Needs, as `catalogue.facts` names them, that it meets."""
    cannot: frozenset[str] = frozenset()
    """Needs that it does not meet; what is in neither is not known."""
    good_at: tuple[str, ...] = ()
    """Specialisations."""


Families = Mapping[str, KnownModel]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One kind of provider."""

    # --- what it speaks
    apis: Mapping[str, Spoken]
    """By name."""
    choice: Chooser | str = ""
    """Picks one for a request; "" where there is one only. "chat" does so for servers of which nothing else is known, another kind's name as it does."""
    lists: tuple[str, ...]
    """Names of the APIs whose model lists add up to the provider's; of the names joined by "|" the first list that the server has."""
    dated: Row | None = None
    """Instead of this row where `api_version` is a date."""
    query: str = ""
    """Parameter of every request that carries `api_version`."""
    api_version: str = ""
    """Where the configuration has none."""
    transport: str = ""
    """Module of `llm_gateway.upstream.processes` whose `client` gives what requests are sent through, where that is not HTTP."""
    makers_listed: bool = False
    """A model's id begins with whom the transport is to call, who must be one that the configuration lists."""

    # --- where it lives
    base_url: str = ""
    """"" where it must be configured; `{region}` and the like come from the configuration."""
    base_urls: Mapping[str, str] = field(default_factory=dict)
    """Instead of it, for the `location` of that name."""
    control_url: str = ""
    """Host of the model lists, where it is another one."""
    trims: str = ""
    """Pattern of what a configured base URL may end with, although our paths begin with it or are it."""
    like: str = ""
    """How an endpoint is written, where base_url does not show it."""
    local: bool = False
    """Runs on the operator's machines, so it costs nothing and needs no key."""
    probe: tuple[str, bytes] | None = None
    """How to tell whether it runs at base_url: what to GET, and what its answer holds."""

    # --- who is asking
    auth: Auth = "bearer"
    """How a key is sent."""
    token_prefix: str = ""
    """Keys that begin so are access tokens, sent as such."""
    identity: Identity = ""
    """Whose credentials are used when there is no key, see `upstream.credentials`."""
    usual: Usual = field(default_factory=lambda: Usual(keyless=True))
    """What it reads from the environment."""

    # --- its models
    default_model: str = ""
    """Asked when nobody names one; "" takes it from the model list."""
    default_models: Mapping[str, str] = field(default_factory=dict)
    """Instead of it, by how the region or publisher begins."""
    deployments: bool = False
    """Callers name deployments, which the model list does not tell; the answer says which model it was."""
    flat: bool = False
    """No id of a model holds a slash."""
    open_list: bool = False
    """The list of models is given to everyone, so it does not show whether a key is good."""
    missing_model: str = ""
    """What to do where the provider does not know a `{model}`."""
    stopped: str = ""
    """What to do where it cannot be reached."""
    known: Families = field(default_factory=dict)
    """What we know of its models, by beginnings of their ids, so that dated ids belong to a family; the longest that fits counts. Kept by
    hand, from its documentation; of its own API, for the same weights elsewhere may do less. Unknown excludes nothing."""

    # --- what others call it
    aliases: tuple[str, ...] = ()
    """Other names of the kind: in small letters, without what stands between words."""
    rank: int = 100
    """The default provider is the configured one of the least rank."""
    prices: str = ""
    """Its list in genai-prices; "" leaves the operator's prices or none."""
    billed: bool = False
    """Runs on the operator's machines and is billed all the same."""
    otel: str = ""
    """`gen_ai.provider.name`; "" for the kind."""
    operation: str = "chat"
    """`gen_ai.operation.name`."""
    shown_model: str = "some-model"
    """Whom docs/providers.md asks: a current model, since some take more than others."""


# ---------------------------------------------------------------- what many have in common
OPERATIONS = "/(chat/completions|completions|responses|models|embeddings)"
"""What stands behind the base URL of a server that speaks OpenAI's dialect."""


def one(wire: str, dialect: Any, **of: Any) -> Row:
    """A kind with one API."""
    return Row(apis={"": Spoken(wire=wire, dialect=dialect)}, lists=("",), **of)


def openai_apis(chat: ChatDialect, responses: ResponsesDialect | str) -> Mapping[str, Spoken]:
    """Both APIs of OpenAI's."""
    return {
        "chat": Spoken(wire="openai_chat", dialect=chat),
        "responses": Spoken(wire="openai_responses", dialects="openai_dialects", dialect=responses),
    }


def openai(
    chat: ChatDialect,
    base_url: str = "",
    *,
    responses: ResponsesDialect | str = "GENERIC_RESPONSES",
    choice: Chooser | str = "chat",
    **of: Any,
) -> Row:
    """A kind that speaks Chat Completions, and Responses when configured or chosen."""
    return Row(
        apis=openai_apis(chat, responses),
        choice=choice,
        lists=("chat",),
        base_url=base_url,
        trims=OPERATIONS,
        like="" if base_url else "http://HOST:PORT/v1",
        **of,
    )


def hosted(prefix: str, *more: str) -> Usual:
    """A vendor whose key and address are the variables with its prefix. more: other names of the key that people have."""
    return Usual(key=(f"{prefix}_API_KEY", *more), settings={"endpoint": (f"{prefix}_BASE_URL", f"{prefix}_API_BASE")})


def served(prefix: str, *more: str) -> Usual:
    """A server whose address must be given; it is there as soon as that is."""
    return Usual(
        key=(f"{prefix}_API_KEY", *more),
        settings={"endpoint": (f"{prefix}_BASE_URL", f"{prefix}_API_BASE")},
        needs=("endpoint",),
        keyless=True,
        when=((f"{prefix}_BASE_URL",), (f"{prefix}_API_BASE",)),
        shown={},
    )


def known(can: str, cannot: str = "", **of: Any) -> KnownModel:
    """A family by words."""
    return KnownModel(can=frozenset(can.split()), cannot=frozenset(cannot.split()), **of)
