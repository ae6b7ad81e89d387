"""What is written about the packages that we bring, and what is asked about them; with the tools themselves, and servers on this machine."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import audit, locks, sbom, secrets
from tests.support.secrets import Allowed, Finding
from tests.support.upstream import Request, Script, Upstream, whole

# Put together here, so that no file holds one.
KEYS = {
    "Key of a provider": ("sk-" + "ant-api03-" + "Zq8vN2mK5rT1xW7y", "AI" + "zaSyD3kQ9wLmN4pR7tV2xZ6bC1fH8jK0sGe"),
    "AWS Access Key": ("AK" + "IAQ3ZP7LW2MV5NR6TX",),
    "PEM key": ("-----BEGIN RSA " + "PRIVATE KEY-----" + r"\nMIIEowIBAAKCAQEAq8vN2mK5rT1xW7yP",),
    "Basic Auth Credentials": ("https://someone:" + "Vb7kQp2s" + "@h.test/",),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An empty repository."""
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


# ---------------------------------------------------------------- secrets
def test_a_key_in_a_file_is_found_and_not_repeated(tree: Path) -> None:
    """Also in a file that nobody has added yet, and whatever a comment says; not in one that git ignores, and not where the value says what it is."""
    lines = [(kind, key) for kind, keys in KEYS.items() for key in keys]
    (tree / "notes.md").write_text("".join(f"x = '{key}'  # pragma: allowlist secret\n" for _, key in lines))
    (tree / "fine.py").write_text("a = 'sk-" + "ant-canary-0123456789abcdefgh'\nb = 'AK" + "IAIOSFODNN7EXAMPLE'\n")
    (tree / ".gitignore").write_text("ignored.txt\n")
    (tree / "ignored.txt").write_text(lines[0][1])
    found = secrets.scan(tree)
    assert found == [Finding("notes.md", number, kind) for number, (kind, _) in enumerate(lines, 1)]
    told = secrets.problems(tree, found, ())
    assert [one.split(": ")[0] for one in told] == [f"notes.md:{number}" for number in range(1, len(lines) + 1)]
    assert not [key for _, key in lines if key in "".join(told)]


def test_what_is_allowed_is_allowed_in_its_place_only(tree: Path) -> None:
    """File, kind and line; what is allowed and no longer there is said."""
    (tree / "a.md").write_text("the pattern of a key\nanother\n")
    found = [Finding("a.md", 1, "PEM key"), Finding("a.md", 2, "PEM key")]
    here = Allowed("a.md", "PEM key", "pattern", "a word")
    assert [one.split(": ")[0] for one in secrets.problems(tree, found, [here])] == ["a.md:2"]
    for other in (Allowed("b.md", "PEM key", "", "x"), Allowed("a.md", "AWS Access Key", "", "x")):
        assert len(secrets.problems(tree, found, [here, other])) == 2


def test_this_repository_holds_no_secret() -> None:
    """Everything that looks like one is allowed with a reason, and no reason is left over."""
    assert all(one.reason for one in secrets.ALLOWED)
    assert secrets.problems(locks.ROOT, secrets.scan(locks.ROOT), secrets.ALLOWED) == []


# ---------------------------------------------------------------- SBOM
@pytest.mark.parametrize("extras", [(), ("prices",), locks.RUNTIME])
def test_the_sbom_has_every_package_of_the_image(extras: tuple[str, ...], tmp_path: Path) -> None:
    """With version, package URL and hashes, by the locks; the gateway itself is what it is about."""
    assert sbom.main(extras, tmp_path / "sbom.json") == 0
    document = json.loads((tmp_path / "sbom.json").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["name"] == "llm-gateway"
    wanted = sbom.merged(locks.ROOT, extras)
    assert {one["name"] for one in document["components"]} == wanted.keys()

    first, *others = document["components"]
    assert sbom.problems({"components": others}, wanted) == [
        f"{first['name']}: not there as {first['version']} with its package URL",
        f"{first['name']}: not all of its hashes are there",
    ]
    first["externalReferences"][0]["hashes"].pop()
    assert sbom.problems(document, wanted) == [f"{first['name']}: not all of its hashes are there"]


def test_locks_that_do_not_agree_make_no_sbom(tmp_path: Path) -> None:
    """Two releases of one package in one image, as after an edit by hand."""
    (tmp_path / "requirements.lock").write_text("a==1 \\\n    --hash=sha256:00\n")
    (tmp_path / "requirements-x.lock").write_text("a==2 \\\n    --hash=sha256:01\n")
    with pytest.raises(ValueError, match="a==2, a==1"):
        sbom.merged(tmp_path, ["x"])


# ---------------------------------------------------------------- advisories
Answering = Callable[[Request], Script]


def knowing(*bad: tuple[str, str]) -> Answering:
    """An OSV that has an advisory about these releases, by name and version."""

    def one(query: Any) -> dict[str, Any]:
        package = query["package"]
        name = package.get("name") or package["purl"].removeprefix("pkg:golang/")
        if (name, query["version"]) not in bad:
            return {}
        affected = {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "9.9"}]}]}
        return {"vulns": [{"id": "GHSA-x", "affected": [affected]}]}

    def answer(request: Request) -> Script:
        body = json.loads(request.body)
        queries = body.get("queries")
        return whole(200, {"results": [one(each) for each in queries]} if queries is not None else one(body))

    return answer


@pytest.fixture
def osv(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """A server that everybody asks instead of OSV."""
    monkeypatch.setattr(audit, "OSV", upstream.url)
    return upstream


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Two pins, one of them for another platform."""
    path = tmp_path / "x.lock"
    path.write_text("a==1.0 \\\n    --hash=sha256:00\nb==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n")
    return path


async def asked(source: Callable[[], audit.Answer]) -> audit.Answer:
    """One answer, while the server of this test answers in its loop."""
    return await asyncio.to_thread(audit.ask, "x", source)


async def test_an_advisory_about_a_pin_is_found(osv: Upstream, lock: Path) -> None:
    """By pip-audit itself, also for another platform than this; and none where there is none."""
    osv.answer = knowing(("b", "2.0"))
    found = await asked(lambda: audit.python(lock))
    assert found == audit.Answer("x", 2, ("b 2.0: GHSA-x (mended in 9.9)",))
    osv.answer = knowing()
    assert await asked(lambda: audit.python(lock)) == audit.Answer("x", 2)


@pytest.mark.parametrize("status", [404, 503])
async def test_a_database_that_does_not_answer_is_no_good_news(osv: Upstream, lock: Path, status: int) -> None:
    """Neither to pip-audit, whose exit status is that of an advisory found, nor to our own question."""
    osv.answer = lambda _: whole(status, {"error": "no"})
    for source in (lambda: audit.python(lock), lambda: audit.osv("golang", [("g", "1")])):
        found = await asked(source)
        assert (found.asked, found.known) == (0, ())
        assert found.problem


async def test_a_database_that_nobody_reaches_is_no_good_news(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without a network."""
    monkeypatch.setattr(audit, "OSV", "http://127.0.0.1:1")
    for source in (lambda: audit.python(lock), lambda: audit.osv("golang", [("g", "1")])):
        assert (await asked(source)).problem


async def test_releases_of_other_languages_are_asked_about_at_once(osv: Upstream) -> None:
    """In one request; an answer about fewer than were asked about is none."""
    osv.answer = knowing(("g", "1.2"))
    found = await asked(lambda: audit.osv("golang", [("f", "1"), ("g", "1.2")]))
    assert (found.asked, found.known, len(osv.requests)) == (2, ("g 1.2: GHSA-x",), 1)
    osv.answer = lambda _: whole(200, {"results": [{}]})
    assert "ValueError" in (await asked(lambda: audit.osv("golang", [("f", "1"), ("g", "1.2")]))).problem


def npm_said(report: Any, stderr: str = "") -> subprocess.CompletedProcess[str]:
    """npm exits with 1 for whatever is not well."""
    return subprocess.CompletedProcess([], 1, report if isinstance(report, str) else json.dumps(report), stderr)


def test_the_report_of_npm_is_read() -> None:
    """Advisories by the package that has them; those that only depend on it are not counted again."""
    advisory = {"url": "https://x.test/GHSA-y", "severity": "high", "title": "bad"}
    report = {
        "vulnerabilities": {"p": {"range": "<2", "via": [advisory]}, "q": {"range": "*", "via": ["p"]}},
        "metadata": {"dependencies": {"total": 7}},
    }
    assert audit.read_npm_audit(npm_said(report)) == audit.Answer("", 7, ("p <2: https://x.test/GHSA-y (high, bad)",))


@pytest.mark.parametrize(
    ("report", "says"),
    [
        ({"error": {"code": "ENOAUDIT", "summary": "no such endpoint"}}, "no such endpoint"),
        ({"message": "request failed", "error": {"summary": "", "detail": ""}}, "request failed"),
        ("", "npm ERR! network"),
        ("{}", "npm ERR! network"),
    ],
)
def test_an_npm_that_has_no_report_is_no_good_news(report: Any, says: str) -> None:
    """Whatever shape its complaint has."""
    with pytest.raises(audit.CouldNotAsk, match=says):
        audit.read_npm_audit(npm_said(report, "npm ERR! network"))


def test_a_tool_that_is_not_there_is_named() -> None:
    """As any other reason why nobody was asked."""
    with pytest.raises(audit.CouldNotAsk, match="no-such-tool is not installed"):
        audit.run("no-such-tool")


GOOD, BAD, MUTE = audit.Answer("g", 3), audit.Answer("b", 2, ["p 1: GHSA-x"]), audit.Answer("m", problem="no network")
PARTLY = audit.Answer("p", 1, ["p 1: GHSA-x"], "it left out q")


@pytest.mark.parametrize(
    ("answers", "status", "begins", "names"),
    [
        ([GOOD], 0, "Nothing found", ""),
        ([GOOD, BAD], 1, "FOUND 1 ", ""),
        ([GOOD, MUTE], 2, "COULD NOT ASK", "1 of 2: m"),
        ([MUTE], 2, "COULD NOT ASK", "1 of 1: m"),
        ([BAD, MUTE], 1, "FOUND 1 ", "1 of 2: m"),
        ([PARTLY], 1, "FOUND 1 ", "1 of 1: p"),
        ([], 2, "COULD NOT ASK", ""),
    ],
)
def test_the_verdict_tells_nothing_found_from_not_asked(
    answers: list[audit.Answer], status: int, begins: str, names: str
) -> None:
    """By its exit status and its first words; who could not be asked is named beside what was found too."""
    code, line = audit.verdict(answers)
    assert (code, line.startswith(begins)) == (status, True)
    assert names in line


def test_the_modules_of_the_go_client_are_read() -> None:
    """From its go.mod, indirect ones too, without a toolchain; replaced and own modules are none."""
    found = dict(audit.go_modules((locks.ROOT / "clients/go/go.mod").read_text()))
    assert found.keys() >= {"google.golang.org/grpc", "golang.org/x/net"}
    assert all(version[0].isdigit() for version in found.values())
    assert audit.go_modules("module m\n\ngo 1.26.0\n\nrequire a.test/b v1.2.3\n") == [("a.test/b", "1.2.3")]
