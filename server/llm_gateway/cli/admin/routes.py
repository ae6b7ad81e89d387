"""``llm-gateway routes``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence

from llmgateway.admin import AdminClient
from llmgateway.admin.v1 import config_pb2, route_pb2, settings_pb2

from llm_gateway.cli import FAILED, OK, UsageError
from llm_gateway.cli.admin import entry
from llm_gateway.cli.admin.shown import as_json, at, is_shadowed, origin, say, short
from llm_gateway.cli.explain import show
from llm_gateway.cli.terminal import one_line, print_table, printable
from llm_gateway.routing.explain import Destination, Explanation


def _list(client: AdminClient, args: argparse.Namespace) -> int:
    found = client.list_routes()
    if args.json:
        return as_json(route_pb2.ListRoutesResponse(routes=found))
    rows = (
        (short(one.name), origin(one), _strategy(one), _targets(one.targets), _targets(one.fallbacks)) for one in found
    )
    print_table(("ROUTE", "FROM", "STRATEGY", "TARGETS", "FALLBACKS"), rows)
    return OK


def _strategy(one: route_pb2.Route) -> str:
    return f"experiment {one.experiment}" if one.experiment else one.strategy


def _targets(targets: Iterable[route_pb2.RouteTarget]) -> str:
    return ", ".join(f"{short(target.provider)}/{target.model}" for target in targets) or "-"


def _show(client: AdminClient, args: argparse.Namespace) -> int:
    one = client.get_route(args.route)
    if args.json:
        return as_json(one)
    runtime = one.source == config_pb2.SETTING_SOURCE_RUNTIME
    if args.yaml:
        if not runtime:
            raise UsageError(f"{one.name} was not set at run time: it is in the configuration, {origin(one)}")
        print(printable(entry.as_yaml(one.settings)), end="")
        return OK
    facts = {
        "from": origin(one) + (f"; revision {one.revision} at {at(one.update_time)}" if one.revision else ""),
        "strategy": _strategy(one) + (", prefers a warm prompt cache" if one.affinity else ""),
        "targets": _targets(one.targets),
        "fallbacks": _targets(one.fallbacks),
        "after a context overflow": _targets(one.context_fallbacks),
        "after a content refusal": _targets(one.content_fallbacks),
        "attempts": str(one.max_attempts),
        "time": f"{one.total_timeout.ToNanoseconds() / 1e9:g} s over all attempts",
    }
    print(short(one.name))
    for fact, text in facts.items():
        if text != "-":
            print(one_line(f"{fact}: {text}"))
    if is_shadowed(one):
        print(one_line(f"note: {shadowed(one)}"))
    if runtime:
        print("settings:")
        for line in printable(entry.as_yaml(one.settings)).splitlines():
            print(f"  {line}")
    return OK


def shadowed(one: route_pb2.Route) -> str:
    """What to do about an entry of the file that does not serve."""
    name = short(one.name)
    return (
        f"the file has {name} too, on line {one.line}, which does not serve; `llm-gateway routes remove {name}` takes the"
        " one that was set at run time away"
    )


def _explain(client: AdminClient, args: argparse.Namespace) -> int:
    needs = [need.strip() for need in args.needs.split(",") if need.strip()]
    found = client.explain(args.model, needs, input_tokens=args.input_tokens)
    if args.json:
        as_json(found)
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


def _flags(args: argparse.Namespace) -> Mapping[str, str | Sequence[str] | None]:
    return {"targets": args.target, "fallbacks": args.fallback, "strategy": args.strategy}


def _add(client: AdminClient, args: argparse.Namespace) -> int:
    settings = entry.described(args, settings_pb2.RouteSettings(), _flags(args))
    one = client.create_route(args.route, settings, validate_only=args.dry_run)
    if args.json:
        return as_json(one)
    return say(f"added {one.name}; see where it leads: llm-gateway routes explain {args.route}", args)


def _update(client: AdminClient, args: argparse.Namespace) -> int:
    now = client.get_route(args.route)
    settings, mask = entry.changed(args, now.settings, _flags(args))
    one = client.update_route(args.route, settings, mask, etag=args.etag or now.etag, validate_only=args.dry_run)
    return as_json(one) if args.json else say(f"changed {one.name}", args)


def _remove(client: AdminClient, args: argparse.Namespace) -> int:
    done = client.delete_route(args.route, etag=args.etag, validate_only=args.dry_run)
    return as_json(done) if args.json else say(f"removed routes/{args.route}", args)


ACTIONS: Mapping[str, Callable[[AdminClient, argparse.Namespace], int]] = {
    "routes list": _list,
    "routes show": _show,
    "routes explain": _explain,
    "routes add": _add,
    "routes update": _update,
    "routes remove": _remove,
}
