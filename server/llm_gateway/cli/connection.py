"""From arguments to a client, and from a failed call to one line that tells a person what to do."""

from __future__ import annotations

import argparse
import os
import sys
from time import monotonic, sleep

import grpc
import llmgateway
from llmgateway import DEFAULT_ADDRESS, TLS, Client, Diagnosis, GatewayError, diagnose
from llmgateway.channel import channel_credentials, channel_options, is_local
from llmgateway.diagnosis import Kind

from llm_gateway.cli import FAILED, UsageError
from llm_gateway.cli.terminal import one_line

PATIENCE = 10.0
"""Seconds to wait for a gateway on this machine to start listening: `llm-gateway serve &` needs one, more on a busy machine."""
UNTOLD = 2.0
"""Seconds of them that nobody is told of."""


def connect(args: argparse.Namespace, *, patient: bool = False) -> Client:
    """The client that the arguments describe. patient: wait PATIENCE if nothing listens on this machine yet. Raises UsageError."""
    try:
        client = Client(
            address(args),
            api_key=args.api_key or None,
            tls=tls_of(args),
            timeout=args.timeout,
            insecure=args.insecure,
        )
    except (ValueError, OSError) as error:
        text = str(error).replace("tls=True", "--tls").replace("insecure=True", "--insecure")
        raise UsageError(text) from None
    if patient:
        await_start(client.address, args)
    return client


def await_start(address: str, args: argparse.Namespace) -> None:
    """Wait PATIENCE if nothing listens on this machine yet."""
    began, told = monotonic(), False
    while is_local(address) and monotonic() < began + PATIENCE:
        found = diagnose(address, tls_of(args), timeout=1.0)
        if found is None or found.kind != "refused":
            break
        if not told and monotonic() > began + UNTOLD:
            told = True
            print(f"nothing listens at {address} yet; waiting {PATIENCE:g} s for it to start", file=sys.stderr)
        sleep(0.1)


def open_channel(args: argparse.Namespace) -> grpc.Channel:
    """The same way to the gateway for other services than LLMGateway; `connect` has checked the arguments."""
    credentials, options = channel_credentials(tls_of(args)), channel_options(address(args))
    if credentials is None:
        return grpc.insecure_channel(address(args), options)
    return grpc.secure_channel(address(args), credentials, options)


def tls_of(args: argparse.Namespace) -> bool | TLS:
    """What the flags say of TLS."""
    if args.ca_file or args.cert_file or args.key_file:
        return TLS(ca_file=args.ca_file, cert_file=args.cert_file, key_file=args.key_file)
    return bool(args.tls)


def address(args: argparse.Namespace) -> str:
    """Where the gateway is."""
    return args.address or os.environ.get("LLM_GATEWAY_ADDRESS") or DEFAULT_ADDRESS


def report(error: GatewayError, args: argparse.Namespace) -> int:
    """Print what happened and what to do; returns the exit code."""
    silent = isinstance(error, (llmgateway.Unavailable, llmgateway.DeadlineExceeded)) and not error.reason
    found = diagnose(address(args), tls_of(args), timeout=1.0) if silent else None
    print(f"error: {one_line(explain(error, address(args), found))}", file=sys.stderr)
    return FAILED


def explain(error: GatewayError, where: str, found: Diagnosis | None = None) -> str:
    """What happened, and what to do about it. found: why the address does not answer, if that was examined."""
    if found is not None:
        return f"{found.cause}; {remedy(found.kind, where)}"
    if isinstance(error, llmgateway.Unavailable) and not error.reason:
        return f"no gateway answers at {where}: {error.message.rstrip('.')}; {remedy('refused', where)}"
    if isinstance(error, llmgateway.Unimplemented) and not error.reason:
        return f"what answers at {where} is no LLMGateway: {error.message.rstrip('.')}; {remedy('not-grpc', where)}"
    told, hint = error.description.removesuffix("."), _hint(error)
    if hint:
        return f"{told}; {hint}"
    return told if error.retry_delay else f"{told} ({error.reason or error.code.name})"


def remedy(kind: Kind, where: str) -> str:
    """What to do about an address that does not answer as a gateway."""
    match kind:
        case "refused" if is_local(where):
            return "start one with `llm-gateway serve`, or do without: `llm-gateway chat --embedded`"
        case "refused" | "unreachable" | "silent":
            return "check --address, and that the gateway runs and no firewall is between"
        case "unknown-host":
            return "check the host in --address"
        case "no-port":
            return "write --address host:port; a gateway listens on 50051 unless told otherwise"
        case "not-grpc":
            return "check the port in --address; a gateway listens on 50051 unless told otherwise"
        case "speaks-tls":
            return "use --tls, or --ca-file with the authority of its certificate"
        case "speaks-plaintext":
            return "leave out --tls, --ca-file, --cert-file and --key-file"
        case "unknown-authority":
            return "give that authority's certificate with --ca-file"
        case "expired":
            return "have it renewed, and check the clocks of both machines"
        case "wrong-name":
            return "call it by a name that the certificate holds"
        case "untrusted":
            return "check --ca-file"
        case "wants-certificate":
            return "give one with --cert-file and --key-file"
        case "rejects-certificate":
            return "it must come from an authority in the gateway's server.tls.client_ca_file, and not have expired"


def _hint(error: GatewayError) -> str:
    match error:
        case llmgateway.Unauthenticated():
            return "set LLM_GATEWAY_API_KEY to a key of this gateway"
        case llmgateway.ModelNotFound() if not error.attempts:
            return "`llm-gateway models` lists what there is"
        case llmgateway.DeadlineExceeded():
            return "give it more time with --timeout"
        case llmgateway.StreamTruncated():
            return "ask again"
        case llmgateway.Internal() if error.request_id:
            return "report it"
        case _ if error.reason in ("PROVIDER_CREDENTIALS_REJECTED", "PROVIDER_BILLING"):
            return "`llm-gateway providers check` shows which keys are accepted"
        case llmgateway.Unavailable() if error.attempts and not error.retry_delay:
            return "`llm-gateway health --probe` shows how the providers are"
        case _:
            return ""
