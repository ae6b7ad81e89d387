"""The arguments of the commands that ask the administration. Imported for every command, `--help` too: nothing heavy here."""

from __future__ import annotations

import argparse

from llm_gateway.cli.arguments import Commands, add_way, count, name, without_keys

ADD_PROVIDER = """\
examples:
  llm-gateway providers add edge --kind openai_compatible --endpoint http://127.0.0.1:8000/v1 --model m --api-key none
  llm-gateway providers add anthropic --api-key                  # asks for the key
  llm-gateway providers add anthropic --api-key < /run/secrets/anthropic
  llm-gateway providers add edge --from edge.yaml --set timeouts.connect=2s --dry-run

FILE holds what would stand below providers.NAME in the configuration file:
  kind: openai_compatible
  endpoint: http://127.0.0.1:8000/v1
  api_key: none                          # another is given by --api-key
  models: [m]
"""
UPDATE_PROVIDER = """\
examples:
  llm-gateway providers update edge --set timeouts.connect=2s --unset proxy
  llm-gateway providers show edge --yaml > edge.yaml         # edit it, then
  llm-gateway providers update edge --from edge.yaml         # in place of all its settings
"""
ADD_ROUTE = """\
examples:
  llm-gateway routes add smart --target anthropic/claude-sonnet-4-5 --fallback edge/m
  llm-gateway routes add smart --from smart.yaml --set retry.max_attempts=3

FILE holds what would stand below routes.NAME in the configuration file:
  targets: [anthropic/claude-sonnet-4-5]
  fallbacks: [edge/m]
"""
KEYS = """\
The key is asked for, or read from standard input. It is never an argument, which
other users of this machine could see and the shell keeps:
  llm-gateway keys {verb} anthropic < /run/secrets/anthropic
"""


def add(commands: Commands, config: Commands, providers: Commands) -> None:
    """Add them all. config, providers: the commands below these, which have others too."""
    _command(commands, "status", "status", "show what a running gateway serves, and what needs attention")
    _config(config)
    _providers(providers)
    _keys(
        commands.add_parser("keys", help="keys of providers at a running gateway").add_subparsers(
            metavar="COMMAND", required=True
        )
    )
    _routes(
        commands.add_parser("routes", help="the routes of a running gateway").add_subparsers(
            metavar="COMMAND", required=True
        )
    )
    changes = _command(commands, "audit", "audit", "show what was changed at run time, when and by whom")
    changes.add_argument(
        "resource",
        nargs="?",
        default="",
        metavar="RESOURCE",
        help="only this one and what belongs to it: providers/edge, and its keys",
    )
    _limit(changes, "changes")


def _config(config: Commands) -> None:
    reload = _command(config, "reload", "config reload", "have a running gateway read its configuration again")
    reload.add_argument("--check", action="store_true", help="only check it")
    shown = _command(config, "show", "config show", "show a running gateway's settings, and where each comes from")
    shown.add_argument("key", nargs="?", default="", metavar="KEY", help="only this one and those below it")
    shown.add_argument("--all", action="store_true", help="those too that nobody set")
    revisions = _command(config, "revisions", "config revisions", "list what was set at run time, revision by revision")
    _limit(revisions, "revisions")
    rollback = _command(
        config, "rollback", "config rollback", "set again at run time what was set in an earlier revision"
    )
    rollback.add_argument("revision", type=count, metavar="REVISION", help="its number; 0 is the file alone")
    _dry_run(rollback)


def _providers(providers: Commands) -> None:
    _command(providers, "list", "providers list", "list the providers of a running gateway")
    shown = _one(providers, "show", "show a provider")
    shown.add_argument("--yaml", action="store_true", help="what was set at run time, in the form of the file")
    tested = _command(
        providers,
        "test",
        "providers test",
        "have a running gateway ask its providers for their models; no tokens are used",
    )
    tested.add_argument("provider", nargs="?", metavar="PROVIDER", help="only this one")

    added = _one(providers, "add", "add a provider to a running gateway, which keeps it", ADD_PROVIDER)
    _provider_settings(added)
    _secret(added, "its API key")
    updated = _one(providers, "update", "change a provider that was added at run time", UPDATE_PROVIDER)
    _provider_settings(updated)
    _unset(updated)
    _secret(updated, "a new API key in place of those it has")
    _etag(updated)
    _one(providers, "remove", "remove a provider that was added at run time, and its keys", changes=True)
    _one(providers, "enable", "have a provider called again", changes=True)
    _one(providers, "disable", "have a provider called no more; its settings and keys stay", changes=True)
    _one(providers, "default", "have a provider serve calls that name neither provider nor route", changes=True)
    _one(
        providers,
        "adopt",
        "have the file's provider serve in place of the one of the same name that was added at run time",
        changes=True,
    )
    for parser in (added, updated):
        _dry_run(parser)


def _provider_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings")
    group.add_argument("--kind", help="what it is: openai_compatible, anthropic …; without it NAME says so")
    group.add_argument("--endpoint", metavar="URL", help="its address, where it is not the vendor's own")
    group.add_argument("--model", action="append", metavar="ID", help="a model that it serves; may be repeated")
    group.add_argument("--default-model", metavar="ID", help="the model of calls that name none")
    _any_settings(group)


def _routes(routes: Commands) -> None:
    _command(routes, "list", "routes list", "list the routes of a running gateway")
    shown = _one(routes, "show", "show a route", noun="route")
    shown.add_argument("--yaml", action="store_true", help="what was set at run time, in the form of the file")
    explained = _command(
        routes, "explain", "routes explain", "show where a request would go now at a running gateway, and why"
    )
    explained.add_argument("model", metavar="MODEL", help="a route, provider/model, a model, or auto")
    explained.add_argument("--needs", default="", metavar="LIST", help="what it needs, such as tools,vision")
    explained.add_argument("--input-tokens", type=count, default=0, metavar="N", help="tokens of the request")
    added = _one(routes, "add", "add a route to a running gateway, which keeps it", ADD_ROUTE, noun="route")
    updated = _one(routes, "update", "change a route that was added at run time", noun="route")
    for parser in (added, updated):
        group = parser.add_argument_group("settings")
        group.add_argument("--target", action="append", metavar="PROVIDER/MODEL", help="a choice; may be repeated")
        group.add_argument("--fallback", action="append", metavar="PROVIDER/MODEL", help="tried next; may be repeated")
        group.add_argument("--strategy", help="how a target is chosen, such as weighted or lowest_cost")
        _any_settings(group)
        _dry_run(parser)
    _unset(updated)
    _etag(updated)
    _one(routes, "remove", "remove a route that was added at run time", noun="route", changes=True)


def _keys(keys: Commands) -> None:
    listed = _command(keys, "list", "keys list", "list the keys that were set at run time: names and fingerprints")
    listed.add_argument("provider", nargs="?", metavar="PROVIDER", help="only this one's")
    added = _key(keys, "add", "give a provider of a running gateway a key, beside those that were set at run time")
    added.add_argument("key", nargs="?", default="main", type=key_name, metavar="NAME", help="what to call it (main)")
    rotated = _key(keys, "rotate", "put a new key in the place of an old one")
    rotated.add_argument("key", nargs="?", type=key_name, metavar="NAME", help="which, if there are several")
    rotated.add_argument(
        "--overlap", default="0s", metavar="TIME", help="how long the old one is used beside it, such as 10m (0s)"
    )
    removed = _command(keys, "remove", "keys remove", "take a key away that was set at run time")
    removed.add_argument("provider", type=_of_a_key, metavar="PROVIDER")
    removed.add_argument("key", type=key_name, metavar="NAME")
    for parser in (added, rotated, removed):
        _dry_run(parser)


def _key(keys: Commands, verb: str, text: str) -> argparse.ArgumentParser:
    parser = _command(keys, verb, f"keys {verb}", text, KEYS.format(verb=verb))
    parser.add_argument("provider", type=_of_a_key, metavar="PROVIDER")
    return parser


# --- what several have


def _command(commands: Commands, verb: str, action: str, text: str, epilog: str = "") -> argparse.ArgumentParser:
    """A command that asks the administration of a running gateway."""
    parser = commands.add_parser(
        verb,
        help=text,
        description=f"{text[0].upper()}{text[1:]}. Asks the administration's port.",
        epilog=epilog or None,
        formatter_class=argparse.RawDescriptionHelpFormatter if epilog else argparse.HelpFormatter,
    )
    parser.set_defaults(module="admin.command", action=action)
    parser.add_argument("--json", action="store_true", help="print JSON")
    group = add_way(parser, "the administration to call", timeout=60)
    group.add_argument("--admin-key-file", metavar="FILE", help="file with its key, instead of LLM_GATEWAY_ADMIN_KEY")
    return parser


def _one(
    commands: Commands, verb: str, text: str, epilog: str = "", *, noun: str = "provider", changes: bool = False
) -> argparse.ArgumentParser:
    """A command about one provider or route."""
    parser = _command(commands, verb, f"{noun}s {verb}", text, epilog)
    parser.add_argument(noun, type=name, metavar="NAME", help=f"the {noun}")
    if changes:
        _etag(parser)
        _dry_run(parser)
    return parser


def _any_settings(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        help="all settings, in the form of the configuration file; - is standard input",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any setting: timeouts.connect=2s; may be repeated",
    )


def _unset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unset", action="append", default=[], metavar="KEY", help="take a setting out")


def _secret(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--api-key",
        nargs="?",
        const="-",
        type=_elsewhere,
        metavar="none",
        help=f"{what}: asked for, or read from standard input; never an argument; `none`: the server wants none",
    )


def _etag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--etag", default="", help="refuse if it is not this one any more; see --json of show")


def _dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only check it: nothing is changed")


def _limit(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--limit", type=count, default=20, metavar="N", help=f"most {what} to show, the latest first (20)"
    )


NEVER = "a key is never an argument: other users of this machine see it, and the shell keeps it"


def _elsewhere(text: str) -> str:
    if text not in ("-", "none"):
        raise argparse.ArgumentTypeError(
            f"{NEVER}. Write --api-key alone, after NAME: it asks for the key, or reads a pipe or a file: --api-key < FILE"
        )
    return text


def _of_a_key(text: str) -> str:
    """The name of a provider, and not the key that was to stand elsewhere."""
    from llm_gateway.telemetry.redaction import redact_foreign

    if redact_foreign(text) != text:
        raise argparse.ArgumentTypeError(f"{NEVER}. Write the provider's name")
    return text


def key_name(text: str) -> str:
    """The name of a key, and not the key itself."""
    plain = text.isalnum() and not text.isalpha() and not text.isdigit()
    if without_keys(text) != text or (plain and len(text) >= _SHORTEST) or len(text) > _LONGEST:
        raise argparse.ArgumentTypeError(
            f"{NEVER}. Leave it out: it is asked for, or read from a pipe or a file: < FILE."
            " If this was a real key, replace it where it was issued"
        )
    return name(text)


_SHORTEST, _LONGEST = 20, 63
"""Characters of what may be a key though nothing else says so, and most of a name."""
