"""docs/providers.md and the providers of .env.example, made from the code: `python -m tests.support.provider_table` (`make docs`).

Each cell is what the wire format really did with a request that uses the feature: rendered it, rendered it by other means, left it out
with a warning, or refused it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from google.protobuf import duration_pb2
from llm_gateway.errors import GatewayError
from llm_gateway.protocols.wire import Rendering
from llm_gateway.providers import plugins
from llm_gateway.providers.rows import Row, Spoken
from llmgateway.v1 import content_pb2, gateway_pb2

Request = gateway_pb2.SendRequest

SETTINGS = {
    "api": None,
    "region": "us-east-1",
    "project": "p",
    "location": "us-central1",
    "publisher": None,
    "api_version": None,
}


def _media(mime_type: str) -> Callable[[Request], None]:
    def use(request: Request) -> None:
        request.messages[0].parts.add().media.CopyFrom(content_pb2.MediaPart(mime_type=mime_type, data=b"x"))

    return use


def _tools(request: Request) -> None:
    request.tools.add().function.CopyFrom(
        gateway_pb2.FunctionTool(name="f", description="d", parameters_json_schema='{"type":"object","properties":{}}')
    )


def _tool_choice(request: Request) -> None:
    _tools(request)
    request.tool_config.mode = gateway_pb2.ToolConfig.MODE_REQUIRED


def _one_call(request: Request) -> None:
    _tools(request)
    request.tool_config.parallel_tool_calls = False


def _schema(request: Request) -> None:
    request.output_format.json_schema.CopyFrom(gateway_pb2.JsonSchemaFormat(name="s", schema_json='{"type":"object"}'))


def _json(request: Request) -> None:
    request.output_format.json_object.SetInParent()


def _effort(request: Request) -> None:
    request.reasoning.effort = gateway_pb2.ReasoningConfig.EFFORT_HIGH


def _budget(request: Request) -> None:
    request.reasoning.budget_tokens = 2048
    request.generation_config.max_output_tokens = 8192


def _cache(request: Request) -> None:
    request.messages[0].parts[0].cache_control.ttl.CopyFrom(duration_pb2.Duration(seconds=300))


def _sampling(request: Request) -> None:
    request.generation_config.temperature = 0.5


def _number(name: str, value: float) -> Callable[[Request], None]:
    def use(request: Request) -> None:
        setattr(request.generation_config, name, value)

    return use


def _stop(request: Request) -> None:
    request.generation_config.stop_sequences.append("END")


def _prefix(request: Request) -> None:
    request.messages.add(role=content_pb2.ROLE_ASSISTANT, prefix=True).parts.add().text.text = "Sure"


FEATURES: Mapping[str, Callable[[Request], None]] = {
    "tools": _tools,
    "forced tool": _tool_choice,
    "one call at a time": _one_call,
    "JSON object": _json,
    "JSON schema": _schema,
    "effort": _effort,
    "budget": _budget,
    "image": _media("image/png"),
    "PDF": _media("application/pdf"),
    "audio": _media("audio/wav"),
    "video": _media("video/mp4"),
    "cache breakpoint": _cache,
    "temperature": _sampling,
    "top_k": _number("top_k", 40),
    "seed": _number("seed", 1),
    "stop": _stop,
    "logprobs": _number("logprobs", True),
    "candidates": _number("candidate_count", 2),
    "prefill": _prefix,
}

CARRIED, EMULATED, DROPPED, REFUSED = "yes", "≈", "–", "no"


def outcome(kind: str, row: Row, spoken: Spoken, use: Callable[[Request], None]) -> str:
    """What the API does with a request that uses a feature."""
    request = Request()
    request.messages.add(role=content_pb2.ROLE_USER).parts.add().text.text = "Hello"
    use(request)
    rendering = Rendering(
        request=request,
        model=row.shown_model,
        stream=True,
        provider=kind,
        kind=kind,
        dialect=plugins.dialect(spoken),
        settings=SETTINGS,
    )
    try:
        plugins.module("protocols", spoken.wire).render_request(rendering)
    except GatewayError:
        return REFUSED
    reasons = {warning.reason for warning in rendering.notes.warnings}
    if "FIELD_DROPPED" in reasons:
        return DROPPED
    return EMULATED if reasons else CARRIED


def table() -> str:
    """The whole page."""
    rows = []
    for kind, row in plugins.rows().items():
        for api, spoken in row.apis.items():
            if api in ("v0", "v1"):  # older model lists of LM Studio, not other ways to ask
                continue
            cells = [outcome(kind, row, spoken, use) for use in FEATURES.values()]
            auth = "none" if row.local else row.identity or row.auth
            rows.append([kind, api or spoken.wire.rpartition(".")[2], auth, *cells])
    features = _table(["kind", "API", "credentials", *FEATURES], rows)
    return PAGE.format(table=features, variables=_table(["kind", "key", "address and more"], variables()))


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows])


def variables() -> list[list[str]]:
    """What each kind reads from the environment."""
    found = []
    for kind, row in plugins.rows().items():
        usual = row.usual
        when = [" and ".join(f"`{name}`" for name in group) for group in usual.when]
        said = [f"`{name}`" for name in usual.key] + [
            one for one in when if not any(one.strip("`") in names for names in usual.settings.values())
        ]
        more = [", ".join(f"`{name}`" for name in names) for names in usual.settings.values()]
        if row.probe is not None:
            more.append(f"or a server that answers at {row.base_url}")
        if row.identity:
            said.append(
                {
                    "aws": "AWS's credential chain",
                    "google": "Google's application-default credentials",
                    "entra": "Entra ID",
                }[row.identity]
            )
        if said or more:
            found.append([f"`{kind}`", ", ".join(said), "; ".join(more)])
    return found


ENV = Path(__file__).parents[2] / ".env.example"
_SECTIONS = {"# --- providers": False, "# --- local servers": True}
"""Beginnings of the headings that providers stand below, and whether those run on the operator's machines."""


def sample(text: str) -> str:
    """The text of .env.example with the variables of the providers as they are."""
    for heading, local in _SECTIONS.items():
        start = text.index("\n", text.index(heading)) + 1
        lines = []
        for row in plugins.rows().values():
            shown = dict.fromkeys(row.usual.key[:1], "") if row.usual.shown is None else row.usual.shown
            lines += [f"#{name}={value}\n" for name, value in shown.items() if row.local == local]
        text = text[:start] + "".join(lines) + text[text.index("\n\n", start - 1) + 1 :]
    return text


PAGE = """\
# Providers

Made from the code by `make docs`; a test fails when it is stale. Every kind streams, answers whole, lists its models, reports usage and errors, and
has a health probe that costs nothing. `echo` is the embedded one.

**yes** carried in the provider's own field · **≈** carried by other means or adjusted, with a warning · **–** left out with a warning, or
INVALID_ARGUMENT with `unsupported_fields: REJECT` · **no** refused before anything is sent. Asked of a current model of the kind; other models
take more or less, and the wire formats know which.

{table}

Whatever has no field of its own goes into `provider_options_json`, verbatim; what the call is routed, priced and read by (`model`, `models`,
`messages`, `stream`, `n`, `background` and the like) is refused there, with the field that says it instead. Kinds with two APIs choose by model and request; `api: chat` or
`api: responses` fixes it. Other packages add kinds: see [plugins.md](plugins.md).

## Variables

What each kind reads from the environment, in the order in which the default provider is chosen; [configuration.md](configuration.md#without-a-file)
says when. Of several variables the first that is set counts. `anthropic_compatible` sends its key as `x-api-key`; a host that wants a bearer token
gets it by `api_key: none` and `headers: {{authorization: "Bearer ${{ITS_KEY}}"}}`.

{variables}
"""

if __name__ == "__main__":
    (ENV.parent / "docs" / "providers.md").write_text(table())
    ENV.write_text(sample(ENV.read_text()))
