"""What runs when there is no file: providers whose usual variables are set, local servers that answer, else ``echo``."""

from __future__ import annotations

import difflib
import re
import socket
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llm_gateway.config.models import Config, Defaults, Provider, Retry, RouteTimeouts
from llm_gateway.config.problems import ConfigError, ConfigProblem
from llm_gateway.config.values import PARSERS, Unfit, boolean, count, credential, nearest, positive, unicode, url

ALIASES: Final[Mapping[str, str]] = {
    "claude": "anthropic",
    "gpt": "openai",
    "chatgpt": "openai",
    "azure": "azure_openai",
    "azureai": "azure_foundry",
    "foundry": "azure_foundry",
    "google": "gemini",
    "googleai": "gemini",
    "googlegenai": "gemini",
    "googlegemini": "gemini",
    "googleaistudio": "gemini",
    "grok": "xai",
    "mistralai": "mistral",
    "aws": "bedrock",
    "awsbedrock": "bedrock",
    "amazonbedrock": "bedrock",
    "vertexai": "vertex",
    "googlevertex": "vertex",
    "googlevertexai": "vertex",
    "togetherai": "together",
    "fireworksai": "fireworks",
    "perplexityai": "perplexity",
    "pplx": "perplexity",
    "llamaserver": "llama_cpp",
    "openailike": "openai_compatible",
}
"""Other names of kinds, as `kind_of` compares them: in small letters, without what stands between words."""


def kind_of(name: str, kinds: Collection[str] = ()) -> str:
    """The kind that a name means, accepted wherever a kind is named: azure-openai, LM Studio and x.ai as much as claude; a name that
    means none as it is. kinds: all kinds there are, KINDS unless given."""
    if name in (kinds or KINDS):
        return name
    bare = _bare(name)
    found = _BARE.get(bare) or next((kind for kind in kinds if _bare(kind) == bare), name)
    return found if not kinds or found in kinds else name


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What a kind reads from the environment by its vendor's own habit.

    key: variables of the API key, the first one set wins. settings: field of Provider → variables.
    needs: fields that have no default. keyless: can work without an API key: a local server, or a cloud's credential chain.
    when: groups of variables; a keyless kind is there when every variable of one group is set.
    """

    key: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    keyless: bool = False
    when: tuple[tuple[str, ...], ...] = ()


def _hosted(prefix: str, *more: str) -> Usual:
    """A vendor whose key and address are the variables with its prefix. more: other names of the key that people have."""
    return Usual(key=(f"{prefix}_API_KEY", *more), settings={"endpoint": (f"{prefix}_BASE_URL", f"{prefix}_API_BASE")})


def _served(prefix: str, *more: str) -> Usual:
    """A server whose address must be given; with `when` it is there as soon as that is."""
    return Usual(
        key=(f"{prefix}_API_KEY", *more),
        settings={"endpoint": (f"{prefix}_BASE_URL", f"{prefix}_API_BASE")},
        needs=("endpoint",),
        keyless=True,
        when=((f"{prefix}_BASE_URL",), (f"{prefix}_API_BASE",)),
    )


USUAL: Final[Mapping[str, Usual]] = {
    "anthropic": _hosted("ANTHROPIC", "CLAUDE_API_KEY"),
    "openai": _hosted("OPENAI", "OPENAI_KEY"),
    "gemini": Usual(
        key=(
            "GEMINI_API_KEY",
            "GOOGLE_API_KEY",
            "GOOGLE_GENERATIVE_AI_API_KEY",
            "GOOGLE_AI_API_KEY",
            "GOOGLE_GENAI_API_KEY",
        ),
        settings={"endpoint": ("GEMINI_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE")},
    ),
    "xai": _hosted("XAI", "GROK_API_KEY"),
    "mistral": _hosted("MISTRAL", "MISTRALAI_API_KEY"),
    "azure_openai": Usual(
        key=("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY", "AZURE_API_KEY"),
        settings={
            "endpoint": ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_BASE_URL", "AZURE_API_BASE"),
            "api_version": ("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION", "AZURE_API_VERSION"),
            "default_model": (
                "AZURE_OPENAI_DEPLOYMENT",
                "AZURE_OPENAI_DEPLOYMENT_NAME",
                "AZURE_OPENAI_CHAT_DEPLOYMENT_NAME",
            ),
        },
        needs=("endpoint",),
        keyless=True,
    ),
    "azure_foundry": Usual(
        key=("AZURE_AI_API_KEY", "AZURE_INFERENCE_CREDENTIAL"),
        settings={"endpoint": ("AZURE_AI_ENDPOINT", "AZURE_INFERENCE_ENDPOINT", "AZURE_AI_API_BASE")},
        needs=("endpoint",),
        keyless=True,
    ),
    "bedrock": Usual(
        key=("AWS_BEARER_TOKEN_BEDROCK",),
        settings={"region": ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_REGION_NAME")},
        needs=("region",),
        keyless=True,
        when=(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_PROFILE",), ("AWS_WEB_IDENTITY_TOKEN_FILE",)),
    ),
    "vertex": Usual(
        settings={
            "project": ("GOOGLE_CLOUD_PROJECT", "VERTEXAI_PROJECT"),
            "location": ("GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "VERTEXAI_LOCATION"),
        },
        needs=("project", "location"),
        keyless=True,
        when=(("GOOGLE_GENAI_USE_VERTEXAI",),),
    ),
    "groq": _hosted("GROQ"),
    "deepseek": _hosted("DEEPSEEK"),
    "openrouter": _hosted("OPENROUTER"),
    "together": _hosted("TOGETHER", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY"),
    "fireworks": _hosted("FIREWORKS", "FIREWORKS_AI_API_KEY"),
    "cerebras": _hosted("CEREBRAS"),
    "perplexity": _hosted("PERPLEXITY", "PPLX_API_KEY", "PERPLEXITYAI_API_KEY"),
    "ollama": Usual(
        key=("OLLAMA_API_KEY",),
        settings={"endpoint": ("OLLAMA_HOST", "OLLAMA_BASE_URL", "OLLAMA_API_BASE")},
        keyless=True,
        when=(("OLLAMA_HOST",), ("OLLAMA_BASE_URL",), ("OLLAMA_API_BASE",)),
    ),
    "lmstudio": Usual(
        key=("LM_API_TOKEN", "LMSTUDIO_API_KEY", "LM_STUDIO_API_KEY"),
        settings={"endpoint": ("LMSTUDIO_HOST", "LMSTUDIO_BASE_URL", "LM_STUDIO_API_BASE")},
        keyless=True,
        when=(("LMSTUDIO_HOST",), ("LMSTUDIO_BASE_URL",), ("LM_STUDIO_API_BASE",)),
    ),
    "vllm": _served("VLLM", "HOSTED_VLLM_API_KEY"),
    "llama_cpp": _served("LLAMA_CPP"),
    "openai_compatible": _served("OPENAI_COMPATIBLE"),
    "claude_code": Usual(keyless=True),
    "litellm": Usual(keyless=True),
    "echo": Usual(keyless=True),
}
"""By kind, in the order in which the default provider is chosen. A kind not listed here is taken to work without a key."""

KINDS: Final = tuple(USUAL)
_BARE: Final = {**{_bare(kind): kind for kind in KINDS}, **ALIASES}
STAND_IN: Final = Provider(kind="echo", options={"stands_in": True})
"""What serves where nothing is configured; `Config.stands_in` tells."""

LOCAL: Final[Mapping[str, tuple[str, int, str, bytes]]] = {
    "ollama": ("127.0.0.1", 11434, "/api/version", b'"version"'),
    "lmstudio": ("127.0.0.1", 1234, "/v1/models", b'"data"'),
}
"""Kind → where a local server listens by default, what to GET, and what its answer holds."""

Probe = Callable[[str, int, str, bytes], bool]


def answers(host: str, port: int, path: str, marker: bytes, timeout: float = 0.15) -> bool:
    """Whether a server answers a GET with 200 and the marker, all within ``timeout`` seconds."""
    limit = time.monotonic() + timeout
    received = b""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
            while marker not in received and len(received) < 65536 and (left := limit - time.monotonic()) > 0:
                connection.settimeout(left)
                if not (chunk := connection.recv(65536)):
                    break
                received += chunk
    except OSError:
        return False
    head, _, body = received.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].split(b" ")[1:2] == [b"200"] and marker in body


def local_servers(probe: Probe = answers) -> tuple[str, ...]:
    """The kinds of LOCAL whose server runs on this machine. The only I/O of the no-file case; at most 0.15 s for each."""
    return tuple(kind for kind, where in LOCAL.items() if probe(*where))


def first(env: Mapping[str, str], variables: Collection[str]) -> str | None:
    """The name of the first variable that is set and not empty."""
    return next((name for name in variables if env.get(name, "").strip()), None)


def ollama_url(host: str) -> str:
    """The URL of ``OLLAMA_HOST``: host, host:port or URL; a bind address such as 0.0.0.0 means this machine.

    Source: envconfig of ollama/ollama: port 11434 unless there is a scheme, then the scheme's own.
    """
    scheme, separator, rest = host.strip().rpartition("://")
    where, slash, path = rest.partition("/")
    bare, colon, port = where.rpartition(":") if not where.endswith("]") else (where, "", "")
    if not colon or (":" in bare and not bare.startswith("[")):
        bare, port = where, ""
    bare = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}.get(bare, bare)  # noqa: S104
    port = port or ("" if separator else "11434")
    return url(f"{scheme or 'http'}://{bare}{':' if port else ''}{port}{slash}{path}")


def lmstudio_url(host: str) -> str:
    """The URL of ``LMSTUDIO_HOST``: host:port or URL, given with or without the ``/v1`` of its OpenAI dialect."""
    return url(host if "://" in host else f"http://{host}").removesuffix("/v1")


def discover(
    env: Mapping[str, str], kinds: Collection[str] = KINDS, local: Callable[[], Collection[str]] = tuple
) -> Config:
    """The configuration that the environment alone gives; the providers' ids are their kinds.

    local: gives the kinds of local servers that answer, such as ``local_servers``; asked only where no variable names theirs.

    Raises ConfigError, naming the variables, when some hold something unusable.
    """
    variables = _Variables(env)
    named = env.get("LLM_PROVIDER", "").strip()
    chosen = kind_of(named, kinds) if named else ""
    if chosen and chosen not in kinds:
        right = " ".join(filter(None, (nearest(named, kinds), "it is one of " + ", ".join(kinds))))
        variables.problem("LLM_PROVIDER", "names no kind of provider", right)
        chosen = ""
    elif not chosen and first(env, BASE_URL):
        chosen = "openai_compatible"
    elif not chosen and variables.has("LLM_API_KEY"):
        right = "set LLM_PROVIDER too, or the provider's own variable such as OPENAI_API_KEY"
        variables.problem("LLM_API_KEY", "belongs to no provider", right)

    providers: dict[str, Provider] = {}
    for kind in dict.fromkeys((*USUAL, *kinds)):
        usual = USUAL.get(kind, Usual(keyless=True))
        if kind in kinds and (provider := _usual_provider(kind, usual, variables, chosen=kind == chosen)):
            providers[kind] = provider
    for kind in local() if not LOCAL.keys() <= providers.keys() else ():
        if kind in kinds:
            providers.setdefault(kind, Provider(kind=kind))
    if not providers:
        providers["echo"] = STAND_IN

    total = variables.read("LLM_TIMEOUT", _seconds)
    retries = variables.read("LLM_MAX_RETRIES", count)
    model = variables.read("LLM_MODEL", str)
    config = Config(
        providers=providers,
        # a model without a provider may be any provider's: its name tells
        default_provider=chosen if chosen in providers else None if model else next(iter(providers)),
        default_model=model,
        defaults=Defaults(
            max_output_tokens=variables.read("LLM_MAX_TOKENS", positive),
            prompt_caching=variables.read("LLM_ENABLE_CACHING", boolean) or False,
            timeouts=RouteTimeouts(total=total) if total else RouteTimeouts(),
            retry=Retry(max_attempts=retries + 1) if retries is not None else Retry(),
        ),
    )
    if variables.problems:
        raise ConfigError(variables.problems)
    return config


def overlooked(env: Mapping[str, str]) -> list[str]:
    """Why variables that look like a provider's make none: what is set and what it lacks, or what was meant; names only, no values."""
    found = []
    known = {name for usual in USUAL.values() for name in usual.key}
    for kind, usual in USUAL.items():
        missing = [usual.settings[field][0] for field in usual.needs if not first(env, usual.settings[field])]
        if missing and (key := first(env, usual.key)):
            found.append(f"{key} is set, but {kind} needs {' and '.join(missing)} too")
    for name in env:
        if name.endswith(("_KEY", "_TOKEN")) and name not in known and not name.startswith("LLM_"):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            found += [f"{name} is set; did you mean {near[0]}?"] if near else []
    return found


class _Variables:
    """The environment, and what is wrong with it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[ConfigProblem] = []

    def problem(self, name: str, wrong: str, right: str) -> None:
        self.problems.append(ConfigProblem(file="environment", key=name, wrong=wrong, right=right))

    def has(self, *names: str) -> bool:
        return all(self.env.get(name, "").strip() for name in names)

    def read(self, name: str | None, parse: Callable[[str], Any]) -> Any:
        """The parsed value of a variable; None where it is unset, empty, or a problem was noted."""
        if name is None or not self.has(name):
            return None
        try:
            return parse(unicode(self.env[name].strip()))
        except Unfit as unfit:
            self.problem(name, unfit.wrong, unfit.right)
            return None


def _seconds(text: str) -> float:
    """A duration, or seconds without a unit. A number that would be hours is one of milliseconds, as other tools want it: refused."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return PARSERS["timeout"](text)  # type: ignore[no-any-return]
    if float(text) > MOST_SECONDS:
        raise Unfit(
            f"is {float(text) / 3600:.3g} hours, for it counts seconds", f"write {text}ms, or {text}s if you mean it"
        )
    return PARSERS["timeout"](f"{text}s")  # type: ignore[no-any-return]


BASE_URL: Final = ("LLM_BASE_URL", "LLM_API_BASE", "LLM_ENDPOINT")
"""Variables of the chosen provider's address, the first one set wins."""
MOST_SECONDS: Final = 3600
"""Of a number without a unit."""
_PARSERS: Final[Mapping[tuple[str, str], Callable[[str], str]]] = {
    ("ollama", "endpoint"): ollama_url,
    ("lmstudio", "endpoint"): lmstudio_url,
}


def _usual_provider(kind: str, usual: Usual, variables: _Variables, *, chosen: bool) -> Provider | None:
    """The provider that its usual variables describe, if they do; ``chosen`` is the one that LLM_PROVIDER names."""
    noted = len(variables.problems)
    parsers = {field: _PARSERS.get((kind, field), url if field == "endpoint" else str) for field in usual.settings}
    settings = {
        field: variables.read(first(variables.env, names), parsers[field]) for field, names in usual.settings.items()
    }
    if chosen and (given := first(variables.env, BASE_URL)):
        settings["endpoint"] = variables.read(given, parsers.get("endpoint", url))
    named = "LLM_API_KEY" if chosen and variables.has("LLM_API_KEY") else first(variables.env, usual.key)
    key = variables.read(named, credential)
    if key is not None:
        key.source = named
    missing = [
        " or ".join((*BASE_URL[:1], *usual.settings[field][:1]) if field == "endpoint" else usual.settings[field][:1])
        for field in usual.needs
        if not settings.get(field)
    ]
    if not missing and (key or any(variables.has(*group) for group in usual.when) or (chosen and usual.keyless)):
        return Provider(kind=kind, api_key=key, **settings)
    if chosen and len(variables.problems) == noted:
        missing += [] if key or usual.keyless else [" or ".join(("LLM_API_KEY", *usual.key[:1]))]
        variables.problem("LLM_PROVIDER", f"names {kind}, which needs more", "set " + " and ".join(missing))
    return None
