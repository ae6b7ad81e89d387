"""From the arguments to a call of the administration, and from a refusal to a line that says what to do."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

import llmgateway
from google.rpc import error_details_pb2
from llmgateway import GatewayError, diagnose
from llmgateway.admin import DEFAULT_ADMIN_ADDRESS, AdminClient
from llmgateway.channel import is_local
from llmgateway.diagnosis import Kind

from llm_gateway.cli import FAILED, UsageError
from llm_gateway.cli.admin import audit, config, keys, providers, routes, status
from llm_gateway.cli.admin.shown import at
from llm_gateway.cli.connection import await_start, explain, remedy, tls_of
from llm_gateway.cli.terminal import one_line

ACTIONS: Mapping[str, Callable[[AdminClient, argparse.Namespace], int]] = {
    "status": status.show,
    **providers.ACTIONS,
    **keys.ACTIONS,
    **routes.ACTIONS,
    **config.ACTIONS,
    "audit": audit.show,
}


def run(args: argparse.Namespace) -> int:
    args.address = args.address or os.environ.get("LLM_GATEWAY_ADMIN") or DEFAULT_ADMIN_ADDRESS
    try:
        client = AdminClient(
            args.address, api_key=_key(args), tls=tls_of(args), timeout=args.timeout, insecure=args.insecure
        )
    except (ValueError, OSError) as error:
        text = str(error).replace("tls=True", "--tls").replace("insecure=True", "--insecure")
        raise UsageError(text) from None
    with client:
        await_start(client.address, args)
        try:
            return ACTIONS[args.action](client, args)
        except GatewayError as error:
            by = _changed_by(client, args) if error.reason == "RESOURCE_CHANGED" else ""
            for line in refusal(error, args, by):
                print(line, file=sys.stderr)
    return FAILED


def _key(args: argparse.Namespace) -> str | None:
    if not args.admin_key_file:
        return os.environ.get("LLM_GATEWAY_ADMIN_KEY") or None
    try:
        with open(args.admin_key_file, encoding="utf-8") as file:
            return file.read().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--admin-key-file: {error}") from None


def _changed_by(client: AdminClient, args: argparse.Namespace) -> str:
    """Who changed last what the command is about; empty where that cannot be told."""
    noun = "route" if args.action.startswith("routes") else "provider"
    with suppress(GatewayError):
        for last in client.list_changes(f"{noun}s/{getattr(args, noun)}", limit=1):
            return f"{last.principal} did at {at(last.create_time)} ({last.method}, revision {last.revision})"
    return ""


def refusal(error: GatewayError, args: argparse.Namespace, by: str = "") -> list[str]:
    """What happened, and what to do about it; one line, and one more for each further thing that is wrong. by: who changed it."""
    if isinstance(error, llmgateway.Unimplemented) and not error.reason:
        right = "the administration has a port of its own, admin.listen of the configuration"
        return [f"error: {args.address} serves no administration; {right}"]
    if isinstance(error, (llmgateway.Unavailable, llmgateway.DeadlineExceeded)) and not error.reason:
        found = diagnose(args.address, tls_of(args), timeout=1.0)
        if found is not None:
            return [f"error: {one_line(f'{found.cause}; {_remedy(found.kind, args.address)}')}"]
    if error.violations:
        return [f"error: {one_line(': '.join(_violated(one)))}" for one in error.violations]
    said = error.message.removesuffix(".")
    if isinstance(error, llmgateway.Unauthenticated):
        said += "; set LLM_GATEWAY_ADMIN_KEY, or --admin-key-file, to a key of its administration"
    elif error.reason == "ROLE_REQUIRED":
        said += "; use a key with that role: `llm-gateway admin-key new` makes one"
    elif error.reason == "RESOURCE_CHANGED":
        said = f"{said.partition(';')[0]}; {f'{by}; ' if by else ''}{_look_again(args)}"
    elif not error.reason:
        said = explain(error, args.address)
    lines = [f"error: {one_line(said)}"]
    for problem in error.preconditions:
        if problem.description.removesuffix(".") not in error.message:  # it has the first
            lines.append(f"  {one_line(f'{problem.subject}: {problem.description}')}")
    return lines


_INSIDE = ("provider.settings.", "route.settings.", "provider.", "route.")


def _violated(one: error_details_pb2.BadRequest.FieldViolation) -> tuple[str, str]:
    """The field as the file calls it, and what is wrong with it."""
    field = one.field
    for prefix in _INSIDE:
        field = field.removeprefix(prefix)
    said = one.description.removesuffix(".")
    if said[1:2].islower():  # goes on after the field
        said = said[:1].lower() + said[1:]
    if field == "keys":  # there are none, and some are needed
        field, said = (
            "--api-key",
            "give it alone, which asks for the key or reads it from a pipe, or --api-key none where the server wants none",
        )
    return field, said


def _look_again(args: argparse.Namespace) -> str:
    """What to do after somebody else's change."""
    noun, _, _ = args.action.partition(" ")
    name = getattr(args, "provider", None) or getattr(args, "route", None)
    look = f"llm-gateway keys list {name}" if noun == "keys" else f"llm-gateway {noun} show {name}"
    return f"look at it with `{look}`, and run this again" + (" with its new --etag" if args.etag else "")


def _remedy(kind: Kind, where: str) -> str:
    match kind:
        case "refused" if is_local(where):
            return "start the gateway with `admin` in its configuration, and name that address by --address or LLM_GATEWAY_ADMIN"
        case "no-port":
            return "write --address host:port; the administration listens on 50052 unless told otherwise"
        case "not-grpc":
            return "check the port in --address; the administration listens on 50052 unless told otherwise"
        case _:
            return remedy(kind, where)
