"""What asks the administration's port of a running gateway: ``status``, ``providers list|show|test``, ``routes list|show|explain``,
``config show|reload``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC

import llmgateway
from google.protobuf import json_format
from google.protobuf.message import Message
from llmgateway import GatewayError
from llmgateway.admin import DEFAULT_ADMIN_ADDRESS, AdminClient
from llmgateway.admin.v1 import config_pb2, provider_pb2, route_pb2

from llm_gateway.cli import FAILED, OK, UsageError
from llm_gateway.cli.connection import report, tls_of
from llm_gateway.cli.explain import show
from llm_gateway.cli.terminal import enum_name, one_line, print_table
from llm_gateway.routing.explain import Destination, Explanation


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
        try:
            return _ACTIONS[args.action](client, args)
        except llmgateway.Unauthenticated as error:
            right = "set LLM_GATEWAY_ADMIN_KEY, or --admin-key-file, to a key of its administration"
            print(f"error: {one_line(error.message.removesuffix('.'))}; {right}", file=sys.stderr)
        except llmgateway.Unimplemented:
            right = "the administration has a port of its own, admin.listen of the configuration"
            print(f"error: {args.address} serves no administration; {right}", file=sys.stderr)
        except llmgateway.FailedPrecondition as error:
            print(f"error: {one_line(error.message)}", file=sys.stderr)
            for problem in error.preconditions[1:]:  # the message has the first
                print(f"  {one_line(f'{problem.subject}: {problem.description}')}", file=sys.stderr)
        except GatewayError as error:
            return report(error, args)
    return FAILED


def _key(args: argparse.Namespace) -> str | None:
    if not args.admin_key_file:
        return os.environ.get("LLM_GATEWAY_ADMIN_KEY") or None
    try:
        with open(args.admin_key_file, encoding="utf-8") as file:
            return file.read().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--admin-key-file: {error}") from None


def _as_json(message: Message) -> int:
    print(json_format.MessageToJson(message, preserving_proto_field_name=True, ensure_ascii=False))
    return OK


def _status(client: AdminClient, args: argparse.Namespace) -> int:
    found = client.get_effective_config("server.listen")
    if args.json:
        return _as_json(found)
    since = found.load_time.ToDatetime(UTC).astimezone()
    print(f"serves at {found.settings[0].value}")
    print(
        one_line(f"configuration {found.version} of {found.file or 'the environment'}, since {since:%Y-%m-%d %H:%M:%S}")
    )
    print(one_line("providers: " + ", ".join(_id(one.name) for one in client.list_providers())))
    print(one_line("routes: " + (", ".join(_id(one.name) for one in client.list_routes()) or "none")))
    return OK


def _providers_list(client: AdminClient, args: argparse.Namespace) -> int:
    found = client.list_providers()
    if args.json:
        return _as_json(provider_pb2.ListProvidersResponse(providers=found))
    rows = (
        (
            _id(one.name) + (" (default)" if one.is_default else ""),
            one.kind,
            ", ".join(address.uri for address in one.addresses) or "-",
            ", ".join(one.keys) or "-",
            one.default_model or "-",
        )
        for one in found
    )
    print_table(("PROVIDER", "KIND", "ADDRESS", "KEYS", "DEFAULT MODEL"), rows)
    return OK


def _providers_show(client: AdminClient, args: argparse.Namespace) -> int:
    return _as_json(client.get_provider(args.provider))


def _providers_test(client: AdminClient, args: argparse.Namespace) -> int:
    names = [args.provider] if args.provider else [_id(one.name) for one in client.list_providers()]
    found = [(name, one) for name in names for one in client.test_provider(name)]
    if args.json:
        _as_json(provider_pb2.TestProviderResponse(endpoints=[one for _, one in found]))
    else:
        print_table(("PROVIDER", "RESULT", "KEY", "MODELS", "TIME", "NOT LISTED"), (_tested(*each) for each in found))
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


def _routes_list(client: AdminClient, args: argparse.Namespace) -> int:
    found = client.list_routes()
    if args.json:
        return _as_json(route_pb2.ListRoutesResponse(routes=found))
    rows = (
        (
            _id(one.name),
            f"experiment {one.experiment}" if one.experiment else one.strategy,
            _targets(one.targets),
            _targets(one.fallbacks),
        )
        for one in found
    )
    print_table(("ROUTE", "STRATEGY", "TARGETS", "FALLBACKS"), rows)
    return OK


def _targets(targets: Iterable[route_pb2.RouteTarget]) -> str:
    return ", ".join(f"{_id(target.provider)}/{target.model}" for target in targets) or "-"


def _routes_show(client: AdminClient, args: argparse.Namespace) -> int:
    return _as_json(client.get_route(args.route))


def _routes_explain(client: AdminClient, args: argparse.Namespace) -> int:
    needs = [need.strip() for need in args.needs.split(",") if need.strip()]
    found = client.explain(args.model, needs, input_tokens=args.input_tokens)
    if args.json:
        _as_json(found)
    else:
        show(
            Explanation(
                route=found.route,
                strategy=found.strategy,
                groups=_groups(found.groups),
                context=_groups(found.context_groups),
                content=_groups(found.content_groups),
                excluded=[(one.target, tuple(one.reasons)) for one in found.excluded],
                experiment=found.experiment,
                arms=found.arms,
            )
        )
    return OK if found.groups else FAILED


def _groups(groups: Iterable[route_pb2.ExplainedGroup]) -> list[list[Destination]]:
    return [
        [
            Destination(target=one.target, deployment=one.deployment, share=one.share, unavailable=one.unavailable)
            for one in group.destinations
        ]
        for group in groups
    ]


def _config_show(client: AdminClient, args: argparse.Namespace) -> int:
    found = client.get_effective_config(args.key)
    if args.json:
        return _as_json(found)
    shown = [one for one in found.settings if args.all or one.source != config_pb2.SETTING_SOURCE_DEFAULT]
    print_table(("SETTING", "VALUE", "FROM"), ((one.key, one.value or "-", _origin(one)) for one in shown))
    return OK


def _origin(one: config_pb2.Setting) -> str:
    match one.source:
        case config_pb2.SETTING_SOURCE_FILE:
            return " ".join((f"line {one.line}", *one.variables))
        case config_pb2.SETTING_SOURCE_ENVIRONMENT:
            return " ".join(one.variables) or "environment"
        case config_pb2.SETTING_SOURCE_FLAG:
            return one.flag
        case source:
            return enum_name(config_pb2.SettingSource, "SETTING_SOURCE_", source).lower()


def _config_reload(client: AdminClient, args: argparse.Namespace) -> int:
    done = client.reload_config(validate_only=args.check)
    if args.json:
        return _as_json(done)
    same = " as before" if done.version == done.previous_version else f", before it {done.previous_version}"
    print(f"configuration {done.version}{same}" + ("; only checked" if args.check else ""))
    if done.restart_settings:
        print(f"these need a restart: {', '.join(done.restart_settings)}")
    return OK


def _id(name: str) -> str:
    return name.partition("/")[2]


_ACTIONS: Mapping[str, Callable[[AdminClient, argparse.Namespace], int]] = {
    "status": _status,
    "providers list": _providers_list,
    "providers show": _providers_show,
    "providers test": _providers_test,
    "routes list": _routes_list,
    "routes show": _routes_show,
    "routes explain": _routes_explain,
    "config show": _config_show,
    "config reload": _config_reload,
}
