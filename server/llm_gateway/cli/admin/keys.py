"""``llm-gateway keys``: the keys of providers that were set at run time, by names and fingerprints."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from llmgateway.admin import AdminClient
from llmgateway.admin.v1 import key_pb2

from llm_gateway.cli import OK, UsageError
from llm_gateway.cli.admin import secret
from llm_gateway.cli.admin.shown import as_json, at, say, short
from llm_gateway.cli.terminal import print_table
from llm_gateway.config.values import Unfit, duration


def _list(client: AdminClient, args: argparse.Namespace) -> int:
    names = [args.provider] if args.provider else [short(one.name) for one in client.list_providers()]
    found = [key for name in names for key in client.list_provider_keys(name)]
    if args.json:
        return as_json(key_pb2.ListProviderKeysResponse(keys=found))
    rows = (
        (
            key.name.split("/")[1],
            short(key.name),
            key.fingerprint,
            at(key.create_time),
            at(key.expire_time) if key.HasField("expire_time") else "-",
        )
        for key in found
    )
    print_table(("PROVIDER", "KEY", "FINGERPRINT", "SET", "USED UNTIL"), rows)
    return OK


def _add(client: AdminClient, args: argparse.Namespace) -> int:
    text = secret.read(f"{args.provider}, {args.key}")
    key = client.add_provider_key(args.provider, text, name=args.key, validate_only=args.dry_run)
    return as_json(key) if args.json else say(f"added {key.name}, {key.fingerprint}", args)


def _rotate(client: AdminClient, args: argparse.Namespace) -> int:
    try:
        overlap = duration(args.overlap)
    except Unfit as unfit:
        raise UsageError(f"--overlap: {args.overlap!r} {unfit.wrong}; {unfit.right}") from None
    old = _which(client, args)
    text = secret.read(f"{args.provider}, in place of {short(old.name)}")
    done = client.rotate_provider_key(
        args.provider, short(old.name), text, overlap=overlap, etag=old.etag, validate_only=args.dry_run
    )
    if args.json:
        return as_json(done)
    until = f"; the old one is used until {at(done.old_key.expire_time)}" if done.HasField("old_key") else ""
    return say(f"replaced {done.key.name}, now {done.key.fingerprint}{until}", args)


def _which(client: AdminClient, args: argparse.Namespace) -> key_pb2.ProviderKey:
    """The key that is meant: the one that was named, or the only one. Raises UsageError."""
    found = {short(key.name): key for key in client.list_provider_keys(args.provider)}
    if args.key:
        if args.key not in found:
            has = f"it has {', '.join(found)}" if found else f"add one: llm-gateway keys add {args.provider}"
            raise UsageError(f"providers/{args.provider} has no key {args.key} that was set at run time; {has}")
        return found[args.key]
    lasting = [key for key in found.values() if not key.HasField("expire_time")]
    match lasting:
        case [only]:
            return only
        case []:
            right = f"add one: llm-gateway keys add {args.provider}; it is used in place of the configuration's"
            raise UsageError(f"providers/{args.provider} has no key that was set at run time; {right}")
        case _:
            names = ", ".join(short(key.name) for key in lasting)
            raise UsageError(f"providers/{args.provider} has several keys; name one of {names}")


def _remove(client: AdminClient, args: argparse.Namespace) -> int:
    done = client.remove_provider_key(args.provider, args.key, validate_only=args.dry_run)
    return as_json(done) if args.json else say(f"removed providers/{args.provider}/keys/{args.key}", args)


ACTIONS: Mapping[str, Callable[[AdminClient, argparse.Namespace], int]] = {
    "keys list": _list,
    "keys add": _add,
    "keys rotate": _rotate,
    "keys remove": _remove,
}
