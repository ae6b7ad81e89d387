"""What runs when there is no file: providers whose usual variables are set, local servers that answer, else ``echo``."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llm_gateway.config.models import Config, Defaults, Provider, Retry, RouteTimeouts
from llm_gateway.config.problems import ConfigError, ConfigProblem
from llm_gateway.config.values import Unfit, boolean, count, header, positive, timeout, unicode, url

ALIASES: Final[Mapping[str, str]] = {
    "claude": "anthropic",
    "gpt": "openai",
    "azure": "azure_openai",
    "google": "gemini",
    "grok": "xai",
}
"""Other names of kinds, accepted wherever a kind is named."""


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


USUAL: Final[Mapping[str, Usual]] = {
    "anthropic": Usual(key=("ANTHROPIC_API_KEY",), settings={"endpoint": ("ANTHROPIC_BASE_URL",)}),
    "openai": Usual(key=("OPENAI_API_KEY",), settings={"endpoint": ("OPENAI_BASE_URL",)}),
    "gemini": Usual(key=("GEMINI_API_KEY", "GOOGLE_API_KEY")),
    "xai": Usual(key=("XAI_API_KEY",)),
    "mistral": Usual(key=("MISTRAL_API_KEY",)),
    "azure_openai": Usual(
        key=("AZURE_OPENAI_API_KEY",),
        settings={
            "endpoint": ("AZURE_OPENAI_ENDPOINT",),
            "api_version": ("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"),
            "default_model": ("AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_DEPLOYMENT_NAME"),
        },
        needs=("endpoint",),
        keyless=True,
    ),
    "azure_foundry": Usual(needs=("endpoint",), keyless=True),
    "bedrock": Usual(
        key=("AWS_BEARER_TOKEN_BEDROCK",),
        settings={"region": ("AWS_REGION", "AWS_DEFAULT_REGION")},
        needs=("region",),
        keyless=True,
        when=(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_PROFILE",), ("AWS_WEB_IDENTITY_TOKEN_FILE",)),
    ),
    "vertex": Usual(
        settings={
            "project": ("GOOGLE_CLOUD_PROJECT",),
            "location": ("GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION"),
        },
        needs=("project", "location"),
        keyless=True,
        when=(("GOOGLE_GENAI_USE_VERTEXAI",),),
    ),
    "groq": Usual(key=("GROQ_API_KEY",)),
    "deepseek": Usual(key=("DEEPSEEK_API_KEY",)),
    "openrouter": Usual(key=("OPENROUTER_API_KEY",)),
    "together": Usual(key=("TOGETHER_API_KEY",)),
    "fireworks": Usual(key=("FIREWORKS_API_KEY",)),
    "cerebras": Usual(key=("CEREBRAS_API_KEY",)),
    "perplexity": Usual(key=("PERPLEXITY_API_KEY",)),
    "ollama": Usual(
        key=("OLLAMA_API_KEY",), settings={"endpoint": ("OLLAMA_HOST",)}, keyless=True, when=(("OLLAMA_HOST",),)
    ),
    "lmstudio": Usual(
        key=("LM_API_TOKEN",), settings={"endpoint": ("LMSTUDIO_HOST",)}, keyless=True, when=(("LMSTUDIO_HOST",),)
    ),
    "vllm": Usual(keyless=True, needs=("endpoint",)),
    "llama_cpp": Usual(keyless=True, needs=("endpoint",)),
    "openai_compatible": Usual(keyless=True, needs=("endpoint",)),
    "claude_code": Usual(keyless=True),
    "litellm": Usual(keyless=True),
    "echo": Usual(keyless=True),
}
"""By kind, in the order in which the default provider is chosen. A kind not listed here is taken to work without a key."""

KINDS: Final = tuple(USUAL)

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
    chosen = env.get("LLM_PROVIDER", "").strip().lower()
    chosen = ALIASES.get(chosen, chosen)
    if chosen and chosen not in kinds:
        variables.problem("LLM_PROVIDER", "names no kind of provider", "one of " + ", ".join(kinds))
        chosen = ""
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
        providers["echo"] = Provider(kind="echo")

    total = variables.read("LLM_TIMEOUT", lambda text: timeout(f"{text}s" if text.isdecimal() else text))
    retries = variables.read("LLM_MAX_RETRIES", count)
    config = Config(
        providers=providers,
        default_provider=chosen if chosen in providers else next(iter(providers)),
        default_model=variables.read("LLM_MODEL", str),
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


_PARSERS: Final[Mapping[tuple[str, str], Callable[[str], str]]] = {
    ("openai", "endpoint"): url,
    ("anthropic", "endpoint"): url,
    ("azure_openai", "endpoint"): url,
    ("ollama", "endpoint"): ollama_url,
    ("lmstudio", "endpoint"): lmstudio_url,
}


def _usual_provider(kind: str, usual: Usual, variables: _Variables, *, chosen: bool) -> Provider | None:
    """The provider that its usual variables describe, if they do; ``chosen`` is the one that LLM_PROVIDER names."""
    noted = len(variables.problems)
    settings = {
        field: variables.read(first(variables.env, names), _PARSERS.get((kind, field), str))
        for field, names in usual.settings.items()
    }
    key = variables.read(
        "LLM_API_KEY" if chosen and variables.has("LLM_API_KEY") else first(variables.env, usual.key), header
    )
    missing = [" or ".join(usual.settings.get(field, (field,))) for field in usual.needs if not settings.get(field)]
    if not missing and (key or any(variables.has(*group) for group in usual.when) or (chosen and usual.keyless)):
        return Provider(kind=kind, api_key=key, **settings)
    if chosen and len(variables.problems) == noted:
        missing += [] if key or usual.keyless else [" or ".join(("LLM_API_KEY", *usual.key))]
        variables.problem("LLM_PROVIDER", f"names {kind}, which needs more", "set " + " and ".join(missing))
    return None
