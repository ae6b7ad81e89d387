"""``--env-file``: variables from a file, for those that the environment does not set."""

from __future__ import annotations

import argparse
import os

from llm_gateway.config import Sources, envfile, overlooked

VARIABLE = "LLM_GATEWAY_ENV_FILE"
NO_PROVIDER = "no provider is configured: the embedded echo answers, which repeats what it is told"
_taken: set[str] = set()


def take(args: argparse.Namespace, sources: Sources | None = None) -> None:
    """Put the variables of the file that the command names, by flag or by LLM_GATEWAY_ENV_FILE, into this process's environment, where
    they are not set; once more after the file has changed. Raises ConfigError."""
    path = getattr(args, "env_file", None) or os.environ.get(VARIABLE)
    if not path or not hasattr(args, "env_file"):
        return
    values = {
        name: value for name, value in envfile.read(path, sources).items() if name in _taken or name not in os.environ
    }
    os.environ.update(values)
    for name in _taken - values.keys():
        os.environ.pop(name, None)
    _taken.clear()
    _taken.update(values)


def own() -> dict[str, str]:
    """The environment without the file's variables, for a process that reads the file itself."""
    return {name: value for name, value in os.environ.items() if name not in _taken}


def advice(args: argparse.Namespace) -> str:
    """Advice when no provider is configured: what is missing for one, a file of variables in this folder that was not named, or a key."""
    if nearly := overlooked(os.environ):
        return "; ".join(nearly)
    named = getattr(args, "env_file", None) or os.environ.get(VARIABLE)
    if not named and os.path.isfile(".env"):
        return ".env is in this folder and was not read; --env-file .env does"
    return "set a vendor's key such as ANTHROPIC_API_KEY, or give a file by --config"
