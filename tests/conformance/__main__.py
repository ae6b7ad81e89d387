"""`python -m tests.conformance` plays the conversations through the client of every language, prints a table and writes
`build/conformance.json`.

It ends with status 1 when a result differs, a runner, an example or a package fails, or a toolchain is missing on a CI machine. How fast a
cancelled call closes the provider's connection is printed beside its limit; a slow machine is no failure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.conformance import conversations, newer, runners, silence
from tests.conformance.conversations import API_KEY, Conversation
from tests.conformance.results import comparable, differences
from tests.conformance.runners import ROOT, Example, Failed, Language
from tests.support import gateway, upstream
from tests.support.upstream import Upstream

EXPECTED = Path(__file__).parent / "expected.json"
REPORT = ROOT / "build" / "conformance.json"
REFERENCE = "python"
CANCEL_LIMIT_MS = 250.0
ABORT_SECONDS = 60.0
SHOWN = 20  # differences printed for a language
# What has no place in a package: tests, this suite, and files that may hold a secret.
_UNWANTED = re.compile(
    r"(?i)(^|/)(tests?|conformance|node_modules|target|\.git)/|_test\.|\.test\.|(^|/)\.env|\.pem$|\.key$|\.npmrc$"
)

Results = dict[str, dict[str, Any]]


async def play(language: Language, played: list[Conversation]) -> tuple[Results, list[float]]:
    """The comparable results by conversation, and after how many milliseconds each cancelled call had closed its connection."""
    results: Results = {}
    cancelled: list[float] = []
    async with AsyncExitStack() as stack:
        providers: dict[str, Any] = {}
        upstreams: dict[str, list[Upstream]] = {}
        newer_gateways: dict[str, newer.NewerGateway] = {}
        for conversation in played:
            if conversation.newer is not None:
                newer_gateways[conversation.id] = await stack.enter_async_context(newer.running(conversation.newer))
                continue
            for name in conversation.data["providers"]:
                server = await stack.enter_async_context(upstream.running())
                server.script(*conversation.scripts(name))
                upstreams.setdefault(conversation.id, []).append(server)
                assert name not in providers, f"{conversation.id}: another conversation has a provider {name}"
                providers[name] = conversation.provider(name, server.url)
        config = {
            "server": {"api_keys": [{"name": "conformance", "key": API_KEY}], "overrides": {"models": ["allowed"]}},
            "providers": providers,
        }
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = stack.enter_context(gateway.process(config, folder)).address
        runner = await stack.enter_async_context(runners.running(language))
        for conversation in played:
            other = newer_gateways.get(conversation.id)
            result = await runner.play(conversation.line(other.address if other else address))
            if conversation.cancels:
                cancelled.append(await _closed_after(result, upstreams[conversation.id][0]))
            calls = other.calls if other else sum(len(server.requests) for server in upstreams[conversation.id])
            results[conversation.id] = comparable(result, calls=calls)
    return results, cancelled


async def _closed_after(result: dict[str, Any], server: Upstream) -> float:
    """Milliseconds from the runner's cancelling to the closing of the gateway's connection to the provider."""
    try:
        await server.seen(aborts=1, seconds=ABORT_SECONDS)
    except TimeoutError:
        raise Failed(f"{result['id']}: the provider's connection stayed open {ABORT_SECONDS} s") from None
    closed = server.aborts[0].aborted
    assert closed is not None
    return (closed + time.time() - time.monotonic() - result["cancelled_at"]) * 1e3  # type: ignore[no-any-return]


def run_example(example: Example) -> None:
    """Run an example against a gateway without providers. Raises Failed when its README does not show what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        config = {"providers": {"echo": {"kind": "echo"}}}
        with gateway.process(config, Path(folder)) as server:
            printed = runners.command(example.run, {"LLM_GATEWAY_ADDRESS": server.address}).strip()
    shown = [
        block.strip() for block in re.findall(r"```[a-z_,]*\n(.*?)```", (ROOT / example.readme).read_text(), re.DOTALL)
    ]
    if printed not in shown:
        raise Failed(f"{example.readme} does not show what the example prints:\n{printed}")


def contents(language: Language) -> list[str]:
    """Build the package; the names of its files. Raises Failed when there are none, or one that should not be there."""
    for words in language.package:
        runners.command(words)
    names = runners.command(language.contents).split("\n")
    names = [name.strip() for name in names if name.strip()]
    unwanted = [name for name in names if _UNWANTED.search(name)]
    if unwanted or not names:
        raise Failed(f"the package holds {', '.join(unwanted) or 'nothing'}")
    return names


def check(language: Language, played: list[Conversation], expected: Results, report: dict[str, Any]) -> bool:
    """Build, play and compare one language; whether all is well. Prints what is not."""
    missing = language.missing()
    if missing:
        print(f"{language.name:12} skipped: {', '.join(missing)} not found", flush=True)
        return not os.environ.get("CI")
    row = report[language.name] = {"equal": 0, "total": len(played)}
    (ROOT / "build" / "conformance" / language.name).mkdir(parents=True, exist_ok=True)
    well = True
    try:
        for words in language.build:
            runners.command(words)
        results, cancelled = asyncio.run(play(language, played))
    except Failed as failure:
        print(f"{language.name:12} {failure}", flush=True)
        return False
    found: list[str] = []
    for conversation in played:
        wrong = list(differences(expected.get(conversation.id), results[conversation.id]))
        row["equal"] += not wrong
        found += [f"{conversation.id}: {difference}" for difference in wrong]
    extras = []
    for what, steps in (("example", language.examples), ("package", [None])):
        for step in steps:
            try:
                if isinstance(step, Example):
                    run_example(step)
                else:
                    extras.append(f"{len(contents(language))} files in the package")
            except Failed as failure:
                well = False
                print(f"{language.name:12} {what}: {failure}", flush=True)
    closing = f"{max(cancelled):.0f} ms (limit {CANCEL_LIMIT_MS:.0f})" if cancelled else "-"
    print(
        f"{language.name:12} {row['equal']}/{row['total']} equal   cancel to close {closing}   {' '.join(extras)}",
        flush=True,
    )
    for line in found[:SHOWN]:
        print(f"    {line}")
    return well and not found


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.conformance", description=__doc__)
    parser.add_argument("--language", action="append", help="only this one; may be repeated")
    parser.add_argument("--only", default="*", help="conversations whose ids match this pattern")
    parser.add_argument(
        "--accept", action="store_true", help=f"write expected.json from the {REFERENCE} client; review it"
    )
    given = parser.parse_args()
    played = conversations.load(given.only)
    chosen = [language for language in runners.languages() if not given.language or language.name in given.language]
    expected: Results = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    if given.accept:
        (reference,) = (language for language in runners.languages() if language.name == REFERENCE)
        results, _ = asyncio.run(play(reference, played))
        kept = {name: result for name, result in expected.items() if (conversations.FOLDER / f"{name}.json").exists()}
        expected = dict(sorted({**kept, **results}.items()))
        EXPECTED.write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")
        return 0
    report: dict[str, Any] = {}
    well = [check(language, played, expected, report) for language in chosen]
    passed = [language for language, whole in zip(chosen, well, strict=True) if whole and not language.missing()]
    well.append(asyncio.run(silence.lived(passed, silence.USUAL)))
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
