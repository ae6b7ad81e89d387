"""``llm-gateway providers``, but for ``check``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from llmgateway.admin import AdminClient
from llmgateway.admin.v1 import config_pb2, provider_pb2, settings_pb2

from llm_gateway.cli import FAILED, OK, UsageError
from llm_gateway.cli.admin import entry, secret
from llm_gateway.cli.admin.shown import as_json, at, dropped, is_shadowed, origin, say, short
from llm_gateway.cli.terminal import enum_name, one_line, print_table, printable


def _list(client: AdminClient, args: argparse.Namespace) -> int:
    found = client.list_providers()
    if args.json:
        return as_json(provider_pb2.ListProvidersResponse(providers=found))
    print_table(("PROVIDER", "KIND", "FROM", "KEYS", "ADDRESS", "DEFAULT MODEL"), map(_row, found))
    return OK


def _row(one: provider_pb2.Provider) -> Sequence[str]:
    return (
        short(one.name) + (" (default)" if one.is_default else "") + ("" if one.enabled else " (off)"),
        one.kind,
        origin(one),
        ", ".join(one.keys) or "-",
        ", ".join(address.uri for address in one.addresses) or "-",
        one.default_model or "-",
    )


def _show(client: AdminClient, args: argparse.Namespace) -> int:
    one = client.get_provider(args.provider)
    if args.json:
        return as_json(one)
    runtime = one.source == config_pb2.SETTING_SOURCE_RUNTIME
    if args.yaml:
        if not runtime:
            raise UsageError(f"{one.name} was not set at run time: it is in the configuration, {origin(one)}")
        print(printable(entry.as_yaml(one.settings)), end="")
        return OK
    facts = {
        "kind": one.kind,
        "from": origin(one) + (f"; revision {one.revision} at {at(one.update_time)}" if one.revision else ""),
        "state": ", ".join(filter(None, ("on" if one.enabled else "off", "default" if one.is_default else ""))),
        "addresses": ", ".join(address.uri for address in one.addresses) or "those of its kind",
        "keys": ", ".join(one.keys) or "none",
        "models": ", ".join(one.models) or "those that it lists",
        "default model": one.default_model or "none",
        "aliases": ", ".join(f"{alias} = {model}" for alias, model in sorted(one.aliases.items())),
    }
    print(short(one.name))
    for fact, text in facts.items():
        if text:
            print(one_line(f"{fact}: {text}"))
    if is_shadowed(one):
        print(one_line(f"note: {shadowed(one)}"))
    if runtime:
        print("settings:")
        for line in printable(entry.as_yaml(one.settings)).splitlines():
            print(f"  {line}")
    return OK


def shadowed(one: provider_pb2.Provider) -> str:
    """What to do about an entry of the file that does not serve."""
    name = short(one.name)
    return (
        f"the file has {name} too, on line {one.line}, which does not serve; `llm-gateway providers adopt {name}` has it"
        " serve, and takes the one that was set at run time away"
    )


def _test(client: AdminClient, args: argparse.Namespace) -> int:
    names = [args.provider] if args.provider else [short(one.name) for one in client.list_providers() if one.enabled]
    found = [(name, one) for name in names for one in client.test_provider(name)]
    if args.json:
        as_json(provider_pb2.TestProviderResponse(endpoints=[one for _, one in found]))
    else:
        print_table(("PROVIDER", "RESULT", "KEY", "MODELS", "TIME", "NOT LISTED"), (_tested(*each) for each in found))
        if sys.stdout.isatty():  # where a table is shortened
            for name, one in found:
                if one.reason:
                    print(one_line(f"{f'{name} {one.endpoint}'.strip()}: {one.reason}: {one.problem}"))
    return FAILED if any(one.reason for _, one in found) else OK


def _tested(name: str, one: provider_pb2.EndpointTest) -> Sequence[str]:
    return (
        f"{name} {one.endpoint}".strip(),
        f"{one.reason}: {one.problem}" if one.reason else "ok",
        enum_name(provider_pb2.KeyState, "KEY_STATE_", one.key_state).lower().replace("_", " "),
        "-" if one.reason else str(one.model_count),
        f"{one.duration.ToNanoseconds() / 1e9:.2f} s",
        ", ".join(one.missing_models) or "-",
    )


def _flags(args: argparse.Namespace) -> Mapping[str, str | Sequence[str] | None]:
    return {
        "kind": args.kind,
        "endpoint": args.endpoint,
        "models": args.model,
        "default_model": args.default_model,
        "api_key": "none" if args.api_key == "none" else None,
    }


def _keys(args: argparse.Namespace) -> Mapping[str, str]:
    """The key that is given. Raises UsageError."""
    return {"main": secret.read(args.provider)} if args.api_key == "-" else {}


def _add(client: AdminClient, args: argparse.Namespace) -> int:
    entry.check_input(args)
    settings = entry.described(args, settings_pb2.ProviderSettings(), _flags(args))
    keys = _keys(args)
    one = client.create_provider(args.provider, settings, keys=keys, validate_only=args.dry_run)
    if args.json:
        return as_json(one)
    where = ", ".join(address.uri for address in one.addresses) or "its vendor's address"
    key = "with a key" if one.keys else "without a key"  # so that one that was piped in and not asked for is missed
    return say(
        f"added {one.name}, {one.kind} at {where}, {key}; try it: llm-gateway providers test {args.provider}", args
    )


def _update(client: AdminClient, args: argparse.Namespace) -> int:
    entry.check_input(args)
    now = client.get_provider(args.provider)
    if args.api_key == "-" and not (args.source or args.set or args.unset or any(_flags(args).values())):
        raise UsageError(f"--api-key goes with other changes; alone it is: llm-gateway keys rotate {args.provider}")
    settings, mask = entry.changed(args, now.settings, _flags(args))
    keys = _keys(args)
    done = client.update_provider(
        args.provider, settings, mask, keys=keys, etag=args.etag or now.etag, validate_only=args.dry_run
    )
    if args.json:
        return as_json(done)
    return say(f"changed {done.provider.name}{dropped(done.dropped_keys)}", args)


def _remove(client: AdminClient, args: argparse.Namespace) -> int:
    done = client.delete_provider(args.provider, etag=args.etag, validate_only=args.dry_run)
    if args.json:
        return as_json(done)
    keys = f" with its keys ({', '.join(map(short, done.dropped_keys))})" if done.dropped_keys else ""
    return say(f"removed providers/{args.provider}{keys}", args)


def _enable(client: AdminClient, args: argparse.Namespace) -> int:
    one = client.enable_provider(args.provider, etag=args.etag, validate_only=args.dry_run)
    return as_json(one) if args.json else say(f"{one.name} is on", args)


def _disable(client: AdminClient, args: argparse.Namespace) -> int:
    one = client.disable_provider(args.provider, etag=args.etag, validate_only=args.dry_run)
    return as_json(one) if args.json else say(f"{one.name} is off; its settings and keys stay", args)


def _default(client: AdminClient, args: argparse.Namespace) -> int:
    one = client.set_default(args.provider, etag=args.etag, validate_only=args.dry_run)
    if args.json:
        return as_json(one)
    return say(f"{one.name} serves calls that name neither provider nor route", args)


def _adopt(client: AdminClient, args: argparse.Namespace) -> int:
    done = client.adopt_provider(args.provider, etag=args.etag, validate_only=args.dry_run)
    if args.json:
        return as_json(done)
    return say(f"{done.provider.name} of the file serves, {origin(done.provider)}{dropped(done.dropped_keys)}", args)


ACTIONS: Mapping[str, Callable[[AdminClient, argparse.Namespace], int]] = {
    "providers list": _list,
    "providers show": _show,
    "providers test": _test,
    "providers add": _add,
    "providers update": _update,
    "providers remove": _remove,
    "providers enable": _enable,
    "providers disable": _disable,
    "providers default": _default,
    "providers adopt": _adopt,
}
