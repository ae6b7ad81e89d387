"""The settings that the arguments describe: flags, a file, single settings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import yaml
from google.protobuf.message import Message

from llm_gateway.cli import UsageError
from llm_gateway.cli.admin import settings
from llm_gateway.config.effective import HIDDEN

M = TypeVar("M", bound=Message)


def described(args: argparse.Namespace, empty: M, flags: Mapping[str, str | Sequence[str] | None]) -> M:
    """The settings of something new: the file's, the flags' above them, single ones above both. Raises UsageError."""
    _changed(args, empty, flags)
    return empty


def changed(args: argparse.Namespace, now: M, flags: Mapping[str, str | Sequence[str] | None]) -> tuple[M, list[str]]:
    """The settings as they are to be, and the mask of what is to be taken of them. Raises UsageError."""
    wanted = type(now)()
    if not args.source:
        wanted.CopyFrom(now)
    paths = _changed(args, wanted, flags)
    if args.source:
        return wanted, ["settings"]
    if not paths:
        raise UsageError("nothing is to be changed; give --set KEY=VALUE, --unset KEY or --from FILE")
    if "headers" in paths:
        _check_told(wanted.headers)  # type: ignore[attr-defined]  # only settings of a provider have that path
    return wanted, [f"settings.{path}" for path in dict.fromkeys(paths)]


def _changed(args: argparse.Namespace, wanted: Message, flags: Mapping[str, str | Sequence[str] | None]) -> list[str]:
    if args.source:
        settings.read(_text(args.source), _name(args.source), wanted, _around(args))
    paths = []
    for field, value in flags.items():
        if value is not None:
            paths.append(field)
            settings.put(wanted, field, value)
    paths += [settings.assign(wanted, one) for one in args.set]
    return paths + [settings.unset(wanted, one) for one in getattr(args, "unset", ())]


def _check_told(headers: Mapping[str, str]) -> None:
    """Values that the gateway does not tell cannot be sent back to it."""
    if kept := [name for name, value in headers.items() if value == HIDDEN]:
        right = "give all of them: --set 'headers={NAME: VALUE, …}'"
        raise UsageError(
            f"headers are changed as a whole, and the gateway does not tell what {', '.join(kept)} holds; {right}"
        )


def _around(args: argparse.Namespace) -> tuple[str, str]:
    noun = args.action.partition(" ")[0]
    return noun, getattr(args, noun.removesuffix("s"))


def _name(source: str) -> str:
    return "standard input" if source == "-" else source


def _text(source: str) -> str:
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"--from {source}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--from {_name(source)}: is not UTF-8 text") from None


def check_input(args: argparse.Namespace) -> None:
    """Standard input holds one thing. Raises UsageError."""
    if args.source == "-" and args.api_key == "-" and not sys.stdin.isatty():
        raise UsageError("--from - and --api-key both read standard input; put the settings into a file")


def as_yaml(told: Message) -> str:
    """Settings as a file for --from."""
    return yaml.safe_dump(settings.as_in_file(told), sort_keys=False, allow_unicode=True, width=100)
