"""``llm-gateway config``, but for ``check``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from llmgateway.admin import AdminClient
from llmgateway.admin.v1 import config_pb2

from llm_gateway.cli import OK
from llm_gateway.cli.admin.shown import as_json, at, dropped, say, short
from llm_gateway.cli.terminal import enum_name, print_table


def _show(client: AdminClient, args: argparse.Namespace) -> int:
    found = client.get_effective_config(args.key)
    if args.json:
        return as_json(found)
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
        case config_pb2.SETTING_SOURCE_RUNTIME:
            return f"run time, and line {one.line}" if one.line else "run time"
        case source:
            return enum_name(config_pb2.SettingSource, "SETTING_SOURCE_", source).lower()


def _reload(client: AdminClient, args: argparse.Namespace) -> int:
    done = client.reload_config(validate_only=args.check)
    if args.json:
        return as_json(done)
    same = " as before" if done.version == done.previous_version else f", before it {done.previous_version}"
    print(f"configuration {done.version}{same}" + ("; only checked" if args.check else ""))
    if done.restart_settings:
        print(f"these need a restart: {', '.join(done.restart_settings)}")
    return OK


def _revisions(client: AdminClient, args: argparse.Namespace) -> int:
    found = client.list_revisions(limit=args.limit)
    if args.json:
        return as_json(config_pb2.ListRevisionsResponse(revisions=found))
    rows = ((str(one.number), at(one.create_time), one.principal, one.method, one.resource or "-") for one in found)
    print_table(("REVISION", "SINCE", "BY", "WHAT", "OF"), rows)
    return OK


def _rollback(client: AdminClient, args: argparse.Namespace) -> int:
    done = client.rollback_config(args.revision, validate_only=args.dry_run)
    if args.json:
        return as_json(done)
    by = "" if args.dry_run else f", by revision {done.revision}"
    off = ", ".join(map(short, done.disabled_providers))
    lacking = (
        f"; off are {off}, whose keys were removed: `llm-gateway keys add`, then `providers enable`" if off else ""
    )
    return say(f"as in revision {args.revision} again{by}{dropped(done.dropped_keys)}{lacking}", args)


ACTIONS: Mapping[str, Callable[[AdminClient, argparse.Namespace], int]] = {
    "config show": _show,
    "config reload": _reload,
    "config revisions": _revisions,
    "config rollback": _rollback,
}
