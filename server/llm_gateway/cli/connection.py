"""From arguments to a client, and from a failed call to one line that a person can act on."""

from __future__ import annotations

import argparse
import os
import sys

import grpc
import llmgateway
from llmgateway import DEFAULT_ADDRESS, TLS, Client, GatewayError
from llmgateway.channel import channel_credentials, channel_options, is_local

from llm_gateway.cli import FAILED, UsageError
from llm_gateway.cli.terminal import one_line


def connect(args: argparse.Namespace) -> Client:
    """The client that the arguments describe. Raises UsageError."""
    try:
        return Client(
            address(args),
            api_key=args.api_key or None,
            tls=_tls(args),
            timeout=args.timeout,
            insecure=args.insecure,
        )
    except (ValueError, OSError) as error:
        text = str(error).replace("tls=True", "--tls").replace("insecure=True", "--insecure")
        raise UsageError(text) from None


def open_channel(args: argparse.Namespace) -> grpc.Channel:
    """The same way to the gateway for other services than LLMGateway; `connect` has checked the arguments."""
    credentials, options = channel_credentials(_tls(args)), channel_options(address(args))
    if credentials is None:
        return grpc.insecure_channel(address(args), options)
    return grpc.secure_channel(address(args), credentials, options)


def _tls(args: argparse.Namespace) -> bool | TLS:
    if args.ca_file or args.cert_file or args.key_file:
        return TLS(ca_file=args.ca_file, cert_file=args.cert_file, key_file=args.key_file)
    return bool(args.tls)


def address(args: argparse.Namespace) -> str:
    """Where the gateway is."""
    return args.address or os.environ.get("LLM_GATEWAY_ADDRESS") or DEFAULT_ADDRESS


def report(error: GatewayError, args: argparse.Namespace) -> int:
    """Print what happened and what to do; returns the exit code."""
    print(f"error: {one_line(explain(error, address(args)))}", file=sys.stderr)
    return FAILED


def explain(error: GatewayError, where: str) -> str:
    """What happened, and what to do about it."""
    message = error.message.rstrip(".")
    if error.violations:
        message += ": " + "; ".join(f"{v.field} {v.description}".strip().rstrip(".") for v in error.violations)
    failed = [attempt for attempt in error.attempts if attempt.reason or attempt.skip_reason]
    if len(failed) > 1:
        tried = (f"{a.provider}/{a.model} ({a.reason or a.skip_reason})" for a in failed)
        message += f"; tried {', '.join(tried)}"
    if isinstance(error, llmgateway.Unavailable) and not error.reason:
        return f"no gateway answers at {where}; {_how_to_reach(where)}"
    hint = _hint(error)
    return f"{message}; {hint}" if hint else f"{message} ({error.reason or error.code.name})"


def _how_to_reach(where: str) -> str:
    if is_local(where):
        return "start one with `llm-gateway serve`, or do without: `llm-gateway chat --embedded`"
    return "check --address, and --tls if it speaks TLS"


def _hint(error: GatewayError) -> str:
    match error:
        case llmgateway.Unauthenticated():
            return "set LLM_GATEWAY_API_KEY to a key of this gateway"
        case llmgateway.ModelNotFound():
            return "`llm-gateway models` lists what there is"
        case llmgateway.DeadlineExceeded():
            return "give it more time with --timeout"
        case llmgateway.StreamTruncated():
            return "ask again"
        case llmgateway.Internal() if error.request_id:
            return f"report it with the request id {error.request_id}"
        case _ if error.retry_delay:
            return f"try again in {error.retry_delay:.3g} s"
        case _:
            return ""
