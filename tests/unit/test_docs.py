"""Links among the documents lead somewhere, and every decision is in the index."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs/decisions"
_LINK = re.compile(r"\]\((?![a-z]+:)([^()\s]*)\)")
_HEAD = re.compile(r"# (\d+)\. (.+)\n\nDate: (\d{4}-\d\d-\d\d)\. Status: ([^.]+)\.\n")


def _documents() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def _prose(page: Path) -> str:
    """The text without blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """What GitHub makes of its headings."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def _dead(page: Path) -> Iterator[str]:
    for link in _LINK.findall(_prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            yield f"{page.relative_to(ROOT)}: {link}"


def test_no_link_of_a_document_is_dead() -> None:
    """Neither to a file nor to a heading."""
    documents = _documents()
    assert len(documents) > 90
    assert [link for page in documents for link in _dead(page)] == []


def test_the_index_has_every_decision() -> None:
    """By number, title, date and status, in order, without a gap; a decision that is superseded says by which."""
    rows = []
    for number, page in enumerate(sorted(DECISIONS.glob("[0-9]*.md")), 1):
        head = _HEAD.match(page.read_text())
        assert head is not None, page.name
        said, title, date, status = head.groups()
        assert (int(said), page.name[:5]) == (number, f"{number:04}-")
        assert re.fullmatch(r"accepted(, revised \d{4}-\d\d-\d\d)?|superseded by \d+", status), page.name
        rows.append(f"| [{number}]({page.name}) | {title} | {date} | {status} |")
    assert [line for line in (DECISIONS / "README.md").read_text().splitlines() if line.startswith("| [")] == rows


def test_decisions_are_named_by_numbers_that_exist() -> None:
    """Wherever code, tests or documents say `decision 17`."""
    named = subprocess.run(
        ["git", "grep", "-hoiEI", r"\bdecisions? [0-9]+", "--", ".", ":!*.lock"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    numbers = {int(found.split()[1]) for found in named.stdout.splitlines()}
    assert numbers <= set(range(1, len(list(DECISIONS.glob("[0-9]*.md"))) + 1))
