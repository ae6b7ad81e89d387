"""Ollama by its own API: https://docs.ollama.com/api."""

from llm_gateway.providers.rows import Usual, one


def address(host: str) -> str:
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
    return f"{scheme or 'http'}://{bare}{':' if port else ''}{port}{slash}{path}"


ROW = one(
    "ollama",
    "OLLAMA",
    base_url="http://127.0.0.1:11434",
    trims="/api(/.*)?|/v1(/.*)?",
    local=True,
    probe=("/api/version", b'"version"'),
    usual=Usual(
        key=("OLLAMA_API_KEY",),
        settings={"endpoint": ("OLLAMA_HOST", "OLLAMA_BASE_URL", "OLLAMA_API_BASE")},
        keyless=True,
        when=(("OLLAMA_HOST",), ("OLLAMA_BASE_URL",), ("OLLAMA_API_BASE",)),
        endpoint=address,
        shown={"OLLAMA_HOST": "127.0.0.1:11434"},
    ),
    missing_model="Run `ollama pull {model}`.",
    stopped="Is Ollama running? `ollama serve` starts it.",
    rank=17,
)
