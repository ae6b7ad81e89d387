"""Whether a file holds something like a secret: `python -m tests.support.secrets`, a part of `make lint`.

Scanned is what git tracks or would add, by detect-secrets (https://github.com/Yelp/detect-secrets) and by the looks of our providers' keys
(vendor_keys.py). It asks nobody whether a key works, and knows no comment that silences it: what is no secret says so in its value, or stands
below with the reason. A finding is told by its place; the value is not repeated.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tests.support.environments import environment
from tests.support.locks import ROOT

PLACEHOLDERS = r"(?i)canary|example|secret|hidden|your-key|abcdefgh|01234567"
"""What a made-up value has in it. A random key has none of these: six letters in any case are in one of ten million."""
WITHOUT = (
    "Base64HighEntropyString",
    "HexHighEntropyString",
    "KeywordDetector",
    "IPPublicDetector",
    "PrivateKeyDetector",
)
"""Detectors that judge by how random a text is, or by a word before it, find hashes, ids and fixtures by the hundred and would teach everybody
to allow; an address is no secret; PemKeyDetector knows a key from words about keys."""
EVERYWHERE = ("allowlist.is_line_allowlisted", "heuristic.is_lock_file")
"""Filters of detect-secrets that are switched off: comments that silence it, and files that it passes over."""
GENERATED = ("clients/*/llmgateway/v1/*", "clients/*/llmgateway/admin/v1/*")
"""Code made from protos/, which are scanned; `make check-generate` says that nothing else is in it. It is half of all lines."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may stand in a file. kind: as detect-secrets names it. line: a pattern that the whole line holds. reason: why it is no secret."""

    file: str
    kind: str
    line: str
    reason: str


ALLOWED = (
    Allowed(
        "tests/unit/test_redaction.py",
        "Basic Auth Credentials",
        r"redaction\.know",
        "the made-up password of a proxy, which is to be taken out",
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something like a secret, by its place."""

    file: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}"


def scan(root: Path) -> list[Finding]:
    """Everything in the files that git tracks or would add that looks like a secret and does not say that it is none."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    command = [
        *(str(environment("supply") / "bin" / "detect-secrets"), "scan", "--no-verify"),
        *(part for one in EVERYWHERE for part in ("--disable-filter", f"detect_secrets.filters.{one}")),
        *("--plugin", str(Path(__file__).with_name("vendor_keys.py")), "--exclude-secrets", PLACEHOLDERS),
        *(part for one in WITHOUT for part in ("--disable-plugin", one)),
        *(file for file in files if (root / file).is_file() and not any(fnmatchcase(file, made) for made in GENERATED)),
    ]
    report = json.loads(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout)
    return sorted(
        (Finding(file, one["line_number"], one["type"]) for file, found in report["results"].items() for one in found),
        key=str,
    )


def problems(root: Path, findings: Sequence[Finding], allowed: Sequence[Allowed]) -> list[str]:
    """The findings that nobody allowed, and what is allowed and not there."""
    used: set[Allowed] = set()
    found = []
    for one in findings:
        line = (root / one.file).read_text(errors="replace").splitlines()[one.line - 1]
        fitting = {
            each
            for each in allowed
            if fnmatchcase(one.file, each.file) and one.kind == each.kind and re.search(each.line, line)
        }
        used |= fitting
        if not fitting:
            found.append(
                f"{one}: take it out, and revoke it if it was ever real; or say in tests/support/secrets.py why it is none"
            )
    found += [
        f"tests/support/secrets.py: nothing is left of what is allowed in {one.file}: {one.reason}"
        for one in allowed
        if one not in used
    ]
    return found


def main() -> int:
    """Print what is wrong; the exit status."""
    findings = scan(ROOT)
    found = problems(ROOT, findings, ALLOWED)
    print(*found, sep="\n", end="\n" if found else "")
    if not found:
        print(f"No secrets in what git tracks or would add ({len(findings)} allowed, each with its reason).")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
