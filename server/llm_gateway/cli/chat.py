"""``llm-gateway chat``: one question or a conversation, streamed to the terminal."""

from __future__ import annotations

import argparse
import os
import re
import stat
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from time import monotonic
from typing import cast

from google.protobuf import json_format
from llmgateway import ChatReply, Client, GatewayError, Generation, make_request
from llmgateway.v1 import content_pb2, gateway_pb2, usage_pb2

from llm_gateway.cli import OK, UsageError, attachments
from llm_gateway.cli.answer import Answer
from llm_gateway.cli.connection import connect, report
from llm_gateway.cli.terminal import enum_name, one_line, printable

Turns = list[str | content_pb2.Message]

_HELP = """\
/model NAME  ask this model from now on; without NAME, say which is asked
/clear       forget what was said
/exit        end the conversation, as Ctrl-D does
/help        show this"""


def run(args: argparse.Namespace) -> int:
    if args.embedded and (args.address or args.tls or args.ca_file or args.cert_file or args.key_file):
        raise UsageError("--embedded calls no other gateway: leave out --address, --tls and the files of TLS")
    attached = attachments.read(args.file or ())
    conversing = not args.message and sys.stdin.isatty() and not args.json
    message = "" if conversing else _message(args.message)
    if not (conversing or message or attached):
        raise UsageError("there is no message; give one as MESSAGE, on standard input, or by --file")
    with ExitStack() as stack:
        if args.embedded:
            from llm_gateway.cli.embedded import gateway

            args.address, args.api_key = stack.enter_context(gateway(args.config))
        client = stack.enter_context(connect(args, patient=not args.embedded))
        if conversing:
            return _converse(client, args, attached)
        try:
            _ask(client, [attachments.turn(message, attached)], args)
        except GatewayError as error:
            return report(error, args)
        return OK


def _message(words: Sequence[str]) -> str:
    """The words given, followed by what was piped in: `git diff | llm-gateway chat "Review this:"`."""
    told = " ".join(word for word in words if word != "-")
    piped = sys.stdin.read().strip() if not words or "-" in words or _piped() else ""
    return "\n\n".join(filter(None, (told, piped)))


def _piped() -> bool:
    """Whether standard input is meant for us: a pipe or a file, neither a terminal nor a service manager's leftover."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _converse(client: Client, args: argparse.Namespace, attached: Sequence[content_pb2.Part]) -> int:
    """Turn by turn until end of input. A turn that fails, or that Ctrl-C cuts, is dropped. attached: goes with the first."""
    with suppress(ImportError):
        import readline  # noqa: F401  # gives input() its line editing, where there is one
    print("Ctrl-C stops an answer, Ctrl-D ends the conversation, /help shows more.", file=sys.stderr)
    turns: Turns = []
    leaving = False  # Ctrl-C was the last thing typed
    while True:
        asking = False
        try:
            message = input("> ").strip()
            leaving = False
            if re.fullmatch(r"/[a-z]+(?: .*)?", message):
                if not _obey(message, turns, args):
                    return OK
            elif message:
                asking = True
                new = [*turns, message if turns else attachments.turn(message, attached)]
                reply = _ask(client, new, args)
                if reply.message.parts:
                    turns = [*new, reply.message]
        except EOFError:
            print()
            return OK
        except GatewayError as error:
            report(error, args)
        except KeyboardInterrupt:
            if leaving:
                raise
            leaving = not asking
            print(
                "\ninterrupted" if asking else "\nCtrl-C again, Ctrl-D or /exit ends the conversation", file=sys.stderr
            )


def _obey(command: str, turns: Turns, args: argparse.Namespace) -> bool:
    """Run a line that begins with a slash; false when it ends the conversation."""
    name, _, rest = command.partition(" ")
    match name:
        case "/exit" | "/quit":
            return False
        case "/clear":
            turns.clear()
        case "/model" if rest.strip():
            args.model, args.provider = rest.strip(), None
        case "/model":
            print(args.model or "the gateway's default", file=sys.stderr)
        case "/help":
            print(_HELP, file=sys.stderr)
        case _:
            print(f"there is no command {name}\n{_HELP}", file=sys.stderr)
    return True


def _ask(client: Client, turns: Turns, args: argparse.Namespace) -> ChatReply:
    """Ask, print the answer, and on standard error who served it and what it cost."""
    request = make_request(turns, args.model, args.provider, args.system, **_generation(args))
    first: float | None = None
    if args.json:
        reply = ChatReply(response=client.send(request))
        print(json_format.MessageToJson(reply.response, preserving_proto_field_name=True, ensure_ascii=False))
    elif args.no_stream:
        reply = ChatReply(response=client.send(request))
        print(_shown(reply.text or reply.refusal))
    else:
        reply, first = _stream(client, request)
    for warning in reply.response.warnings:
        print(f"warning: {one_line(': '.join(filter(None, (warning.field, warning.message))))}", file=sys.stderr)
    print(one_line(summary(reply, first)), file=sys.stderr)
    return reply


def _stream(client: Client, request: gateway_pb2.SendRequest) -> tuple[ChatReply, float | None]:
    """Print text and refusals of the first candidate as they come, and its reasoning on a terminal; returns the answer and the seconds to
    its first token."""
    asked = monotonic()
    first: float | None = None
    stream = client.stream_send(request)
    answer = Answer(sys.stdout)
    try:
        for event in stream.events():
            if event.HasField("part_started"):
                first = first or monotonic() - asked
            answer.show(event)
    finally:
        answer.end()
    return stream.reply, first


def _shown(text: str) -> str:
    return printable(text) if sys.stdout.isatty() else text


def summary(reply: ChatReply, first_token: float | None) -> str:
    """Who served, after which attempts, tokens, cost, and for a stream the seconds to the first token."""
    route, usage = reply.route, reply.usage
    attempts = len(route.attempts)
    served = f"{route.provider}/{route.model}, {attempts} attempt{'' if attempts == 1 else 's'}"
    if route.fallback_used:
        served += " with fallback"
    about = "~" if usage.estimated else ""
    facts = [served, f"{about}{usage.input_tokens} tokens in, {about}{usage.output_tokens} out", _cost(usage)]
    if first_token is not None:
        facts.append(f"first token after {first_token:.2f} s")
    reason = enum_name(gateway_pb2.FinishReason, "FINISH_REASON_", reply.finish_reason)
    if reason != "STOP":
        facts.append(f"ended by {reason.lower()}")
    return " | ".join(facts)


def _cost(usage: usage_pb2.Usage) -> str:
    for field in ("cost_nano_usd", "provider_cost_nano_usd"):
        if usage.HasField(field):
            return f"${getattr(usage, field) / 1e9:.6f}"
    return "cost unknown"


def _generation(args: argparse.Namespace) -> Generation:
    given = {
        "max_output_tokens": args.max_tokens,
        "temperature": args.temperature,
        "top_p": args.top_p,
        "seed": args.seed,
        "stop_sequences": args.stop,
    }
    return cast("Generation", {name: value for name, value in given.items() if value is not None})
