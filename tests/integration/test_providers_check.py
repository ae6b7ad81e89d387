"""`llm-gateway providers check`, as users run it, against scripted providers."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.support.gateway import environment
from tests.support.upstream import Upstream, whole

MODELS = whole(200, {"data": [{"id": "m"}, {"id": "n"}]})
REJECTED = whole(
    401, {"error": {"message": "Incorrect API key provided: sk-hidden-0123456789", "code": "invalid_api_key"}}
)


async def run(folder: Path, providers: dict[str, Any], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    file = folder / "gateway.yaml"
    file.write_text(json.dumps({"providers": providers}))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llm_gateway", "providers", "check", "--config", str(file), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_every_address_and_key_is_told_apart_from_the_others(upstream: Upstream, tmp_path: Path) -> None:
    """Good keys, a rejected one, a configured model that is not listed, and an address where nothing listens."""
    upstream.script(MODELS, path="/good/models")
    upstream.script(REJECTED, path="/bad/models")
    good, bad = f"{upstream.url}/good", f"{upstream.url}/bad"
    kind = "openai_compatible"
    providers = {
        "one": {"kind": kind, "endpoint": good, "api_key": "k", "models": ["m", "gone"]},
        "two": {
            "kind": kind,
            "endpoint": good,
            "api_keys": [{"key": "a", "name": "first"}, {"key": "b", "name": "second"}],
        },
        "three": {"kind": kind, "endpoint": bad, "api_key": "sk-hidden-0123456789"},
        "four": {"kind": kind, "endpoint": "http://127.0.0.1:1", "api_key": "none"},
        "five": {"kind": kind, "endpoint": good, "api_key": "none"},
    }
    status, out, err = await run(tmp_path, providers, "--json")
    results = json.loads(out)
    assert [(r["provider"], r["endpoint"], r["key"], r["models"]) for r in results] == [
        ("one", "", "accepted", 2),
        ("two", f"{good} first", "accepted", 2),
        ("two", f"{good} second", "accepted", 2),
        ("three", "", "rejected", 0),
        ("four", "", "not checked", 0),
        ("five", "", "not checked", 2),
    ]
    assert [r["problem"].partition(":")[0] for r in results] == [
        "",
        "",
        "",
        "PROVIDER_CREDENTIALS_REJECTED",
        "PROVIDER_UNAVAILABLE",
        "",
    ]
    assert results[0]["missing"] == ["gone"]
    assert status == 1
    assert err == ""
    assert "hidden" not in out
    assert sorted(r.headers.get("authorization", "") for r in upstream.requests if r.path == "/good/models") == [
        "",
        "Bearer a",
        "Bearer b",
        "Bearer k",
    ]
    assert {request.method for request in upstream.requests} == {"GET"}


async def test_one_provider_may_be_checked_and_is_shown_in_a_table(upstream: Upstream, tmp_path: Path) -> None:
    """Exit code 0 when all that was asked is well; a list that is open to everyone says nothing of the key."""
    upstream.script(MODELS)
    providers = {
        "router": {"kind": "openrouter", "endpoint": upstream.url, "api_key": "k"},
        "down": {"kind": "openai_compatible", "endpoint": "http://127.0.0.1:1", "api_key": "none"},
    }
    status, out, _ = await run(tmp_path, providers, "--provider", "router")
    header, row = out.splitlines()
    assert header.split() == ["PROVIDER", "RESULT", "KEY", "MODELS", "TIME", "NOT", "LISTED"]
    assert row.split()[:5] == ["router", "ok", "not", "checked", "2"]
    assert status == 0


async def test_a_provider_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """The configured ones are named."""
    status, _, err = await run(tmp_path, {"here": {"kind": "echo"}}, "--provider", "elsewhere")
    assert status == 2
    assert "elsewhere" in err
    assert "here" in err


async def test_a_wrong_address_is_named_with_how_it_is_written(upstream: Upstream, tmp_path: Path) -> None:
    """Not as a model that is missing."""
    upstream.script(whole(404, {"detail": "Not Found"}), path="/models")
    upstream.script(whole(404, b"<html>", content_type="text/html"), path="/x/v1/models")
    upstream.script(whole(200, b"<html>", content_type="text/html"), path="/app/api/tags")
    providers = {
        "a": {"kind": "openai_compatible", "endpoint": upstream.url, "api_key": "none"},
        "b": {"kind": "anthropic", "endpoint": f"{upstream.url}/x/v1", "api_key": "k"},
        "c": {"kind": "ollama", "endpoint": f"{upstream.url}/app"},
    }
    status, out, _ = await run(tmp_path, providers, "--json")
    assert status == 1
    problems = [result["problem"] for result in json.loads(out)]
    assert [problem.partition(":")[0] for problem in problems] == ["PROVIDER_ENDPOINT_WRONG"] * 3
    assert f"404 from GET {upstream.url}/models" in problems[0]
    assert "wants it with /v1" in problems[0]
    assert f"404 from GET {upstream.url}/x/v1/models" in problems[1]
    assert "wants it without /v1, as in https://api.anthropic.com" in problems[1]
    assert f"200 from GET {upstream.url}/app/api/tags with a web page" in problems[2]
