"""Whether somebody has published an advisory about a release that we use: `make audit`, which needs the network.

Asked are, for every Python lock, pip-audit; for every npm lock, `npm audit`; for the modules of Go, the crates of Rust and the artifacts of
Java, OSV's database itself (https://google.github.io/osv.dev/post-v1-querybatch/), as pip-audit does. What could not be asked, in whole or in
part, is said and is never counted as nothing found. The exit status: 0 all were asked and nothing is known; 1 something is known, whatever
else could not be asked; 2 nothing is known, and not all could be asked.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import locks
from tests.support.environments import environment
from tests.support.locks import ROOT

OSV = os.environ.get("OSV_URL", "https://api.osv.dev/v1")
PATIENCE = 600.0
"""Seconds for one command; a registry that is out of reach fails sooner, by itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source said. subject: what it was asked about. asked: releases that it answered for. known: its advisories, a line each.
    problem: why it could not be asked about all, or nothing."""

    subject: str
    asked: int = 0
    known: Sequence[str] = ()
    problem: str = ""

    def __str__(self) -> str:
        said = (
            [f"{self.asked} releases, {len(self.known) or 'no'} advisories"] if self.asked or not self.problem else []
        )
        if self.problem:
            said.append(f"COULD NOT ASK: {self.problem}")
        return "\n    ".join([f"{self.subject}: {'; '.join(said)}", *self.known])


class CouldNotAsk(Exception):
    """A source gave no answer; the text says which and why."""


def run(
    *command: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command's outcome, whatever its exit status. Raises CouldNotAsk where it cannot be run to its end."""
    if shutil.which(command[0]) is None:
        raise CouldNotAsk(f"{Path(command[0]).name} is not installed")
    try:
        return subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise CouldNotAsk(f"{Path(command[0]).name} said nothing for {PATIENCE:g} s") from None


def last_line(text: str) -> str:
    """What a failed command said in the end."""
    return (text.strip().splitlines() or ["it said nothing"])[-1].strip()[:300]


# ---------------------------------------------------------------- Python
def read_pip_audit(releases: Sequence[tuple[str, str]], outcome: subprocess.CompletedProcess[str]) -> Answer:
    """Raises CouldNotAsk where pip-audit did not answer; it exits with 1 for that and for an advisory alike, so its report decides."""
    try:
        report = json.loads(outcome.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        raise CouldNotAsk(f"pip-audit: {last_line(outcome.stderr)}") from None
    answered = {(one["name"], one["version"]) for one in report if "version" in one}
    known = tuple(
        f"{one['name']} {one['version']}: {each['id']}{fixed_in(each['fix_versions'])}"
        for one in report
        for each in one.get("vulns", ())
    )
    missing = [name for name, version in releases if (name, version) not in answered]
    return Answer("", len(answered), known, f"pip-audit left out {', '.join(missing)}" if missing else "")


def fixed_in(versions: Sequence[str]) -> str:
    return f" (mended in {', '.join(versions)})" if versions else ""


def python(lock: Path) -> Answer:
    """All pins of a lock, also those of other platforms: a marker would have pip-audit pass over them without a word."""
    releases = [(pin.name, pin.version) for pin in locks.pins(lock.read_text())]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name}=={version}\n" for name, version in releases)
        file.flush()
        options = (
            "--no-deps",
            "--disable-pip",
            "--progress-spinner=off",
            "--format=json",
            "--desc=off",
            "--aliases=off",
        )
        source = ("--vulnerability-service=osv", f"--osv-url={OSV}/query")
        tool = environment("supply") / "bin" / "pip-audit"
        return read_pip_audit(releases, run(str(tool), *options, *source, "-r", file.name))


# ---------------------------------------------------------------- npm
def read_npm_audit(outcome: subprocess.CompletedProcess[str]) -> Answer:
    """Raises CouldNotAsk where npm has no report; it exits with 1 for that and for an advisory alike."""
    try:
        report = json.loads(outcome.stdout)
    except ValueError:
        report = {}
    if "vulnerabilities" not in report or "error" in report:
        error = report.get("error") or {}
        raise CouldNotAsk(f"npm: {report.get('message') or error.get('summary') or last_line(outcome.stderr)}"[:300])
    known = tuple(
        f"{name} {one['range']}: {each['url']} ({each['severity']}, {each['title']})"
        for name, one in report["vulnerabilities"].items()
        for each in one["via"]
        if isinstance(each, dict)  # a name: by way of another package, which is listed itself
    )
    return Answer("", report["metadata"]["dependencies"]["total"], known)


def npm(folder: Path) -> Answer:
    return read_npm_audit(run("npm", "audit", "--json", "--package-lock-only", cwd=folder))


# ---------------------------------------------------------------- the others, by OSV
def go_modules(text: str) -> list[tuple[str, str]]:
    """The modules of a go.mod, which from Go 1.17 on has all that are built. OSV's versions have no v."""
    return re.findall(r"(?m)^(?:require\s+|\t)(\S+)\s+v(\S+)", text)


def crates() -> list[tuple[str, str]]:
    """What the client is built with, today's newest where its manifest leaves it open: a library has no lock."""
    outcome = run("cargo", "metadata", "--format-version=1", "--manifest-path=clients/rust/Cargo.toml")
    if outcome.returncode:
        raise CouldNotAsk(f"cargo: {last_line(outcome.stderr)}")
    return [(one["name"], one["version"]) for one in json.loads(outcome.stdout)["packages"] if one["source"]]


def artifacts() -> list[tuple[str, str]]:
    """What the client is run with."""
    with tempfile.NamedTemporaryFile("r", suffix=".txt") as file:
        goal = ("dependency:list", "-DincludeScope=runtime", f"-DoutputFile={file.name}")
        outcome = run("mvn", "--batch-mode", "--quiet", "--file=clients/java/pom.xml", *goal)
        if outcome.returncode:
            raise CouldNotAsk(f"mvn: {last_line(outcome.stdout)}")
        return [
            (f"{group}/{name}", version)
            for group, name, version in re.findall(r"(\S+?):(\S+?):jar:(\S+?):\w+", file.read())
        ]


def osv(kind: str, releases: Sequence[tuple[str, str]]) -> Answer:
    """Ask OSV about releases of one kind of package URL (https://github.com/package-url/purl-spec), in one request. Raises CouldNotAsk."""
    queries = [{"package": {"purl": f"pkg:{kind}/{name}"}, "version": version} for name, version in releases]
    request = urllib.request.Request(
        f"{OSV}/querybatch", json.dumps({"queries": queries}).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            results = json.loads(response.read())["results"]
        known = tuple(
            f"{name} {version}: {each['id']}"
            for (name, version), one in zip(releases, results, strict=True)
            for each in one.get("vulns", ())
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CouldNotAsk(f"OSV: {type(error).__name__}: {error}"[:300]) from None
    if not releases:
        raise CouldNotAsk(f"no {kind} packages were found")
    return Answer("", len(releases), known)


# ---------------------------------------------------------------- all of them
def sources() -> Iterable[tuple[str, Callable[[], Answer]]]:
    """What is asked about, and how."""
    for lock in sorted(ROOT.glob("requirements*.lock")):
        yield lock.name, lambda lock=lock: python(lock)  # type: ignore[misc]
    for folder in ("clients/typescript", "tests/bench/portkey"):
        yield f"{folder}/package-lock.json", lambda folder=folder: npm(ROOT / folder)  # type: ignore[misc]
    yield "clients/go/go.mod", lambda: osv("golang", go_modules((ROOT / "clients/go/go.mod").read_text()))
    yield "clients/rust/Cargo.toml", lambda: osv("cargo", crates())
    yield "clients/java/pom.xml", lambda: osv("maven", artifacts())


def ask(subject: str, source: Callable[[], Answer]) -> Answer:
    """One source's answer, or why there is none."""
    try:
        answer = source()
    except CouldNotAsk as error:
        return Answer(subject, problem=str(error))
    return Answer(subject, answer.asked, answer.known, answer.problem)


def verdict(answers: Sequence[Answer]) -> tuple[int, str]:
    """The exit status and the last line."""
    known = {line for answer in answers for line in answer.known}
    unasked = [answer.subject for answer in answers if answer.problem]
    asked = len(answers) - len(unasked)
    gap = f"COULD NOT ASK about {len(unasked)} of {len(answers)}: {', '.join(unasked)}."
    if not answers:
        return 2, "COULD NOT ASK: nothing here has such a name."
    if known:
        return 1, f"FOUND {len(known)} advisories. {gap if unasked else ''}".rstrip()
    if unasked:
        return 2, f"{gap} No advisory is known about the other {asked}." if asked else gap
    return 0, f"Nothing found: no advisory is known about what the {asked} pin."


def main(wanted: Sequence[str]) -> int:
    """Ask about all, or about those whose name holds one of the words; print what they say."""
    answers = []
    for subject, source in sources():
        if not wanted or any(word in subject for word in wanted):
            answers.append(ask(subject, source))
            print(answers[-1], flush=True)
    status, line = verdict(answers)
    print(f"\n{line}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
