"""The command ``llm-gateway``: parsing, exit codes, and one line for every failure.

A subcommand is a module with ``run(args) -> int``; it is imported when it is called, so that ``--help`` needs neither gRPC nor YAML.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from llm_gateway import __version__
from llm_gateway.cli.admin import arguments as admin
from llm_gateway.cli.arguments import Commands, Parser, add_way, count, name

OK = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130

_EPILOG = """\
exit codes: 0 all well; 1 the call failed, or the gateway is not serving; 2 wrong usage or configuration; 130 interrupted

environment:
  LLM_GATEWAY_ADDRESS    address of the gateway for chat, models and health (127.0.0.1:50051)
  LLM_GATEWAY_API_KEY    API key for the same
  LLM_GATEWAY_ADMIN      address of its administration, for what asks it (127.0.0.1:50052)
  LLM_GATEWAY_ADMIN_KEY  key of the administration
  LLM_GATEWAY_CONFIG     configuration file for serve, config check and providers check
  LLM_GATEWAY_ENV_FILE   file of variables for the same; see --env-file
"""


class UsageError(Exception):
    """What was asked cannot be done as it was asked; the text says what would be right."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a model writes what a narrow terminal cannot show
    args = _parser().parse_args(argv)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what gRPC's core writes would stand raw among our own lines
    try:
        _take_env_file(args)
        status: int = importlib.import_module(f"llm_gateway.cli.{args.module}").run(args)
        sys.stdout.flush()
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left, as `head` does; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="llm-gateway",
        description="A gRPC gateway in front of LLM providers.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"llm-gateway {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="run the gateway", description="Run the gateway until SIGTERM or Ctrl-C.")
    serve.set_defaults(module="serve")
    _add_config(serve)
    serve.add_argument("--listen", metavar="ADDR", help="host:port or unix:/path; port 0 picks a free one")
    serve.add_argument("--insecure", action="store_true", help="allow plaintext beyond this machine")
    serve.add_argument("--reflection", action="store_true", help="let clients such as grpcurl ask for the contract")
    serve.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="least level to log")

    chat = commands.add_parser(
        "chat",
        help="ask a model",
        description="Ask a model and print its answer as it comes; who served, tokens, cost and time go to standard error."
        " What is piped in stands below MESSAGE. Without MESSAGE: a conversation on a terminal, else standard input is the message.",
    )
    chat.set_defaults(module="chat")
    chat.add_argument("message", nargs="*", metavar="MESSAGE", help="what to ask; - reads standard input")
    chat.add_argument(
        "--file", action="append", metavar="PATH", help="add a text, an image, audio, video or a PDF; may be repeated"
    )
    chat.add_argument("--model", help="a route, provider/model, or a model that one provider serves")
    chat.add_argument("--provider", help="only this provider")
    chat.add_argument("--system", metavar="TEXT", help="system prompt")
    chat.add_argument("--max-tokens", type=int, metavar="N", help="most tokens to answer with")
    chat.add_argument("--temperature", type=float, metavar="T")
    chat.add_argument("--top-p", type=float, metavar="P")
    chat.add_argument("--seed", type=int, metavar="N")
    chat.add_argument("--stop", action="append", metavar="TEXT", help="text that ends the answer; may be repeated")
    chat.add_argument("--no-stream", action="store_true", help="wait for the whole answer")
    chat.add_argument("--json", action="store_true", help="print the whole response as JSON; implies --no-stream")
    chat.add_argument(
        "--embedded", action="store_true", help="run a gateway inside this command instead of calling one"
    )
    _add_config(chat, " (with --embedded)")
    _add_connection(chat, timeout=600)

    models = commands.add_parser("models", help="list the models", description="List the models that may be used.")
    models.set_defaults(module="models")
    models.add_argument("--provider", help="only this provider's")
    models.add_argument("--refresh", action="store_true", help="have the gateway ask the providers again")
    models.add_argument("--json", action="store_true", help="print JSON")
    _add_connection(models, timeout=60)

    estimate = commands.add_parser(
        "estimate",
        help="say what a request would cost",
        description="Say what a request would cost at each model that may serve it. No provider is called; tokens of a message are"
        " estimated by its length.",
    )
    estimate.set_defaults(module="estimate")
    estimate.add_argument("--model", required=True, help="a route, provider/model, or a model that one provider serves")
    size = estimate.add_mutually_exclusive_group(required=True)
    size.add_argument("--input-tokens", type=count, metavar="N", help="tokens of the request")
    size.add_argument("--message", metavar="TEXT", help="the request itself")
    estimate.add_argument("--output-tokens", type=count, metavar="N", help="tokens of the answer (500)")
    estimate.add_argument("--json", action="store_true", help="print JSON")
    _add_config(estimate)

    health = commands.add_parser(
        "health",
        help="show how the gateway and its providers are",
        description="Show how the gateway and its providers are. Exits with 1 when the gateway takes no calls: fit for a container's"
        " health check.",
    )
    health.set_defaults(module="health")
    health.add_argument("--provider", help="only this provider")
    health.add_argument("--probe", action="store_true", help="ask the providers now, by a call that costs nothing")
    health.add_argument("--json", action="store_true", help="print JSON")
    health.add_argument(
        "--self",
        action="store_true",
        dest="own",
        help="the gateway of this container, where its configuration says that it listens: for health checks, without a key",
    )
    _add_connection(health, timeout=4)

    explain = commands.add_parser(
        "explain",
        help="show where a request would go, and why",
        description="Show the targets of a model or route in the order in which they are tried, and which are left out and why. No"
        " model is called. Exits with 1 when nothing can serve the request.",
    )
    explain.set_defaults(module="explain")
    explain.add_argument(
        "--model", required=True, help="a route, provider/model, a model that one provider serves, or auto"
    )
    explain.add_argument(
        "--needs", default="", metavar="LIST", help="what the request needs, such as tools,vision,json_schema"
    )
    explain.add_argument("--input-tokens", type=count, default=0, metavar="N", help="tokens of the request")
    explain.add_argument("--json", action="store_true", help="print JSON")
    _add_config(explain)

    config = commands.add_parser(
        "config", help="look at the configuration, and at what was set at run time"
    ).add_subparsers(metavar="COMMAND", required=True)
    check = config.add_parser(
        "check", help="check the configuration", description="Check the configuration; every problem is printed."
    )
    check.set_defaults(module="config_check")
    _add_config(check)
    check.add_argument(
        "--no-env", action="store_true", help="check the file for any environment, as CI does: ${VAR} need not be set"
    )

    key = commands.add_parser("admin-key", help="make a key of the administration").add_subparsers(
        metavar="COMMAND", required=True
    )
    new = key.add_parser(
        "new",
        help="make a key, and the line for the configuration",
        description="Make a key of the administration, which is shown once, and the line for admin.keys of the configuration, which has its hash"
        " only.",
    )
    new.set_defaults(module="admin_key")
    new.add_argument("--name", required=True, type=name, metavar="NAME", help="what log lines call who has it")
    new.add_argument(
        "--role",
        required=True,
        choices=("viewer", "operator", "admin"),
        help="look; test and reload too; change settings too",
    )
    new.add_argument("--json", action="store_true", help="print JSON")

    master = commands.add_parser("master-key", help="the key that seals the store's keys").add_subparsers(
        metavar="COMMAND", required=True
    )
    made = master.add_parser(
        "new",
        help="make a master key in a file",
        description="Make a master key in a file that only its owner may read, and the lines for store.master_key of the configuration. A file"
        " that is there is never overwritten.",
    )
    made.set_defaults(module="master_key", action="new")
    made.add_argument("file", metavar="FILE", help="the file to make")
    made.add_argument("--json", action="store_true", help="print JSON")
    forgotten = master.add_parser(
        "forget",
        help="remove the keys that no master key opens",
        description="Remove from the store the keys that were sealed by a master key that is lost, or that were tampered with. Without --yes they are"
        " only listed.",
    )
    forgotten.set_defaults(module="master_key", action="forget")
    forgotten.add_argument("--yes", action="store_true", help="remove them")
    _add_config(forgotten)

    database = commands.add_parser("db", help="look after the store").add_subparsers(metavar="COMMAND", required=True)
    _add_db(database, "upgrade", "bring the tables of the store up to date, which a gateway does by itself for SQLite")
    kept = _add_db(database, "backup", "write the whole store to a file; keys stand in it as they are sealed")
    kept.add_argument("file", metavar="FILE", help="a new file; - is standard output")
    restored = _add_db(database, "restore", "put a backup into the store; stop the gateways that use it first")
    restored.add_argument(
        "file", metavar="FILE", help="what `db backup` wrote, of either database; - is standard input"
    )
    restored.add_argument(
        "--replace", action="store_true", help="what the store holds is lost; without it the store must be empty"
    )

    providers = commands.add_parser(
        "providers", help="look at the providers, and change them at run time"
    ).add_subparsers(metavar="COMMAND", required=True)
    check = providers.add_parser(
        "check",
        help="ask every configured provider for its models",
        description="Ask every configured provider for its models: whether the key is accepted, what is listed, how long it takes."
        " No gateway need run, and no tokens are used. Exits with 1 when a provider fails.",
    )
    check.set_defaults(module="providers_check")
    _add_config(check)
    check.add_argument("--provider", help="only this provider")
    check.add_argument("--json", action="store_true", help="print JSON")
    admin.add(commands, config, providers)
    return parser


def _take_env_file(args: argparse.Namespace) -> None:
    if not getattr(args, "env_file", None) and "LLM_GATEWAY_ENV_FILE" not in os.environ:
        return
    from llm_gateway.cli import env_file
    from llm_gateway.config import ConfigError

    try:
        env_file.take(args)
    except ConfigError as error:
        raise UsageError(str(error)) from None


def _add_config(parser: argparse.ArgumentParser, when: str = "") -> None:
    parser.add_argument("--config", metavar="FILE", help=f"YAML file; without one the environment decides{when}")
    parser.add_argument(
        "--env-file", metavar="FILE", help="file of variables such as .env, for those that the environment does not set"
    )


def _add_db(commands: Commands, name: str, text: str) -> Parser:
    """A command that opens the store itself, and asks no gateway."""
    parser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}. Opens the `store` of the configuration."
    )
    parser.set_defaults(module="db", action=name)
    _add_config(parser)
    return parser


def _add_connection(parser: argparse.ArgumentParser, *, timeout: float) -> None:
    group = add_way(parser, "gateway to call", timeout=timeout)
    group.add_argument(
        "--api-key",
        default=os.environ.get("LLM_GATEWAY_API_KEY"),
        metavar="KEY",
        help="better given by LLM_GATEWAY_API_KEY: other users of this machine see the command line",
    )
