"""What runs when there is no file: providers whose usual variables are set, local servers that answer, else ``echo``."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llm_gateway.config.models import Config, Defaults, Provider, Retry, RouteTimeouts
from llm_gateway.config.reading import ConfigError, ConfigProblem, Unfit, duration, url
from llm_gateway.config.secret import Secret

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
    "ollama": Usual(key=("OLLAMA_API_KEY",), keyless=True, when=(("OLLAMA_HOST",),)),
    "lmstudio": Usual(key=("LM_API_TOKEN",), keyless=True, when=(("LMSTUDIO_HOST",),)),
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


def usual_key(kind: str, env: Mapping[str, str]) -> Secret | None:
    """The API key that a kind's usual variable holds."""
    name = first(env, USUAL[kind].key) if kind in USUAL else None
    return Secret(env[name].strip()) if name else None


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


def discover(
    env: Mapping[str, str], kinds: Collection[str] = KINDS, local: Callable[[], Collection[str]] = tuple
) -> Config:
    """The configuration that the environment alone gives; its ids are kinds.

    local: gives the kinds of local servers that answer (``local_servers``); asked only when no variable names theirs.

    Raises ConfigError, naming the variables, when one holds something unusable.
    """
    problems: list[ConfigProblem] = []

    def value(name: str, parse: Callable[[str], Any], right: str) -> Any:
        text = env.get(name, "").strip()
        if not text:
            return None
        try:
            return parse(text)
        except (ValueError, Unfit) as error:
            wrong = error.wrong if isinstance(error, Unfit) else "cannot be read"
            problems.append(ConfigProblem(file="environment", key=name, wrong=wrong, right=right))
            return None

    chosen = env.get("LLM_PROVIDER", "").strip().lower()
    chosen = ALIASES.get(chosen, chosen)
    if chosen and chosen not in kinds:
        right = "one of " + ", ".join(kinds)
        problems.append(
            ConfigProblem(file="environment", key="LLM_PROVIDER", wrong="names no kind of provider", right=right)
        )
        chosen = ""
    if env.get("LLM_API_KEY", "").strip() and not chosen:
        right = "set LLM_PROVIDER too, or the provider's own variable such as OPENAI_API_KEY"
        problems.append(
            ConfigProblem(file="environment", key="LLM_API_KEY", wrong="belongs to no provider", right=right)
        )

    providers: dict[str, Provider] = {}
    for kind, usual in USUAL.items():
        if kind not in kinds or kind == "echo":
            continue
        settings: dict[str, Any] = {}
        for name, variables in usual.settings.items():
            if variable := first(env, variables):
                settings[name] = value(variable, url if name == "endpoint" else str, "https://host/path")
        key = usual_key(kind, env)
        if kind == chosen and env.get("LLM_API_KEY", "").strip():
            key = Secret(env["LLM_API_KEY"].strip())
        there = any(all(env.get(name, "").strip() for name in group) for group in usual.when)
        if kind == "ollama" and there:
            settings["endpoint"] = value("OLLAMA_HOST", ollama_url, "host:port or a URL")
        if kind == "lmstudio" and there:
            settings["endpoint"] = value("LMSTUDIO_HOST", _lmstudio_url, "host:port or a URL")
        complete = all(settings.get(name) for name in usual.needs)
        if complete and (there or key):
            providers[kind] = Provider(kind=kind, api_key=key, **settings)
        elif kind == chosen:
            missing = [name for name in usual.needs if not settings.get(name)]
            if missing or not (key or usual.keyless):
                wanted = [" or ".join(usual.settings.get(name, (name,))) for name in missing]
                wanted += [] if key or usual.keyless else [" or ".join(("LLM_API_KEY", *usual.key))]
                right = "set " + ", ".join(wanted)
                wrong = f"names {kind}, which is not complete"
                problems.append(ConfigProblem(file="environment", key="LLM_PROVIDER", wrong=wrong, right=right))
            else:
                providers[kind] = Provider(kind=kind, api_key=key, **settings)
    for kind in local() if not set(LOCAL) <= providers.keys() else ():
        if kind in kinds:
            providers.setdefault(kind, Provider(kind=kind))
    if chosen == "echo" or not providers:
        providers["echo"] = Provider(kind="echo")

    timeout = value("LLM_TIMEOUT", _seconds, "seconds, or a duration such as 2m")
    retries = value("LLM_MAX_RETRIES", lambda text: _whole(text, 0), "a whole number of 0 or more")
    config = Config(
        providers=providers,
        default_provider=chosen if chosen in providers else next(iter(providers)),
        default_model=env.get("LLM_MODEL", "").strip() or None,
        defaults=Defaults(
            max_output_tokens=value("LLM_MAX_TOKENS", lambda text: _whole(text, 1), "a whole number above 0"),
            prompt_caching=bool(value("LLM_ENABLE_CACHING", _flag, "true or false")),
            timeouts=RouteTimeouts(total=timeout) if timeout else RouteTimeouts(),
            retry=Retry(max_attempts=retries + 1) if retries is not None else Retry(),
        ),
    )
    if problems:
        raise ConfigError(problems)
    return config


def _lmstudio_url(host: str) -> str:
    address = host if "://" in host else f"http://{host}"
    return url(address) if url(address).endswith("/v1") else url(address) + "/v1"


def _seconds(text: str) -> float:
    seconds = float(text) if text.replace(".", "", 1).isdecimal() else duration(text)
    if not 0 < seconds < 10**6:
        raise Unfit("is out of range")
    return seconds


def _whole(text: str, least: int) -> int:
    number = int(text)
    if not least <= number < 10**9:
        raise Unfit("is out of range")
    return number


def _flag(text: str) -> bool:
    if text.lower() not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        raise Unfit("is neither true nor false")
    return text.lower() in ("1", "true", "yes", "on")
