"""`python -m tests.corpus` replays recorded provider traffic through a real gateway, in both directions, and prints what matched.

The recordings and their tools live outside the project, in the folder that CORPUS names (`../shared/corpus` unless set); without
them there is nothing to do. Response: the provider's recorded answer must arrive with every field right, also when the bytes come
one at a time. Request: the recorded request, put in the contract's words, must leave the gateway as it was recorded, or differ for
a reason kept in `explained.json`: a list of {"family", "difference", "reason"}, the first two regular expressions that must match whole.

Arguments go to the scoring program (`--family REGEX`, `--id PREFIX`). Without any, writes `build/corpus.json`: {family: {"response": {matched, total}, "response_by_byte": {…}, "request": {matched, total, explained}}}.
"""

import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import gateway

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
WORK = BUILD / "corpus"
DRIVER = Path(__file__).resolve().parent / "families.py"
LOOPBACK = "127.0.0.1"
RUN_SECONDS = 1800

Records = Mapping[str, dict[str, Any]]  # case id -> the tools' verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a class of request differences is right."""

    family: re.Pattern[str]
    difference: re.Pattern[str]  # "missing path", "added path", "changed path", or "not sent: message"
    reason: str


@dataclass(slots=True, kw_only=True)
class Score:
    """One direction of one family."""

    matched: int = 0
    explained: int = 0
    total: int = 0
    differences: Counter[str] = field(default_factory=Counter)  # not explained, over all cases
    example: dict[str, str] = field(default_factory=dict)  # difference -> a case id


def explanations() -> list[Explanation]:
    """The hand-kept reasons."""
    entries = json.loads((Path(__file__).parent / "explained.json").read_bytes())
    return [
        Explanation(family=re.compile(e["family"]), difference=re.compile(e["difference"]), reason=e["reason"])
        for e in entries
    ]


def response_scores(records: Records, shown: Records | None = None) -> dict[str, Score]:
    """Cases with every field right, by family. What is wrong in `shown` in the same way is counted, not listed again."""
    scores: dict[str, Score] = defaultdict(Score)
    for case_id, record in records.items():
        score = scores[record["family"]]
        score.total += 1
        wrong = response_difference(record)
        score.matched += not wrong
        _note(score, case_id, [wrong] if wrong and not (shown and response_difference(shown[case_id]) == wrong) else [])
    return scores


def response_difference(record: dict[str, Any]) -> str:
    """The wrong fields of one answer, and the status that explains them; empty when all are right."""
    if "unsupported" in record:
        return f"not run: {record['unsupported']}"
    error = record.get("error") or {}
    if error.get("class") == "crash":
        return f"not run: {error['message'].strip().splitlines()[-1]}"
    status = " ".join(filter(None, (error.get("code"), error.get("reason"))))
    return ", ".join(sorted(record["bad"])) + (f" [{status}]" if status and record["bad"] else "")


def request_scores(records: Records, known: list[Explanation]) -> dict[str, Score]:
    """Cases whose request left as recorded, and those whose every difference has a reason, by family."""
    scores: dict[str, Score] = defaultdict(Score)
    for case_id, record in records.items():
        family = record["family"]
        score = scores[family]
        score.total += 1
        found = request_differences(record)
        rest = [d for d in found if not any(e.family.fullmatch(family) and e.difference.fullmatch(d) for e in known)]
        score.matched += not found
        score.explained += bool(found) and not rest
        _note(score, case_id, rest)
    return scores


def request_differences(record: dict[str, Any]) -> list[str]:
    """What differs in one request, as text; also when it never left or could not be compared."""
    if "crash" in record:
        return [f"not sent: {record['crash']}"]
    if "not_sent" in record:
        return [f"not sent: {record.get('error', '')}"]
    for reason in ("not_comparable", "set_aside"):
        if reason in record:
            return [f"{reason.replace('_', ' ')}: {record[reason]}"]
    return sorted({f"{kind} {path}" for kind, path, _ in record["differences"]})


def _note(score: Score, case_id: str, differences: list[str]) -> None:
    for difference in differences:
        score.differences[difference] += 1
        score.example.setdefault(difference, case_id)


def table(response: Mapping[str, Score], by_byte: Mapping[str, Score], request: Mapping[str, Score]) -> str:
    """Family x matched/total, every family, then every difference without a reason."""
    rows: list[tuple[str, ...]] = [("family", "response", "by single bytes", "request", "of these explained")]
    for family in sorted({*response, *by_byte, *request}):
        cells = [f"{s.matched}/{s.total}" if (s := scores.get(family)) else "-" for scores in (response, by_byte)]
        sent = request.get(family)
        cells += [f"{sent.matched + sent.explained}/{sent.total}", str(sent.explained)] if sent else ["-", "-"]
        rows.append((family, *cells))
    whole = [
        [sum(getattr(s, name) for s in scores.values()) for name in ("matched", "explained", "total")]
        for scores in (response, by_byte, request)
    ]
    (a, _, b), (c, _, d), (e, f, g) = whole
    rows.append(("all", f"{a}/{b}", f"{c}/{d}", f"{e + f}/{g}", str(f)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    for name, scores in (("response", response), ("response by single bytes", by_byte), ("request", request)):
        for family, score in sorted(scores.items()):
            lines += [
                f"{name} {family}: {difference[:300]} ({count}; {score.example[difference]})"
                for difference, count in score.differences.most_common()
            ]
    return "\n".join(lines)


def as_json(
    response: Mapping[str, Score], by_byte: Mapping[str, Score], request: Mapping[str, Score]
) -> dict[str, Any]:
    """What `build/corpus.json` holds."""
    document: dict[str, Any] = defaultdict(dict)
    for name, scores in (("response", response), ("response_by_byte", by_byte)):
        for family, score in scores.items():
            document[family][name] = {"matched": score.matched, "total": score.total}
    for family, score in request.items():
        document[family]["request"] = {"matched": score.matched, "total": score.total, "explained": score.explained}
    return dict(sorted(document.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The corpus's own programs, run as they are."""

    folder: Path
    python: str  # an interpreter with grpcio-tools

    def environment(self) -> dict[str, str]:
        """Programs of the corpus find one another and our driver."""
        return {**os.environ, "PYTHONPATH": os.pathsep.join((str(self.folder), str(DRIVER.parent)))}

    def configuration(self, port: int) -> dict[str, Any]:
        """The gateway's configuration for the replay server on `port`; providers of a kind that the gateway lacks are left out."""
        text = subprocess.run(
            [self.python, str(DRIVER), "config", str(port)],
            cwd=self.folder,
            env=self.environment(),
            check=True,
            capture_output=True,
        ).stdout
        document: dict[str, Any] = json.loads(text)
        kinds = gateway.kinds()
        document["providers"] = {name: p for name, p in document["providers"].items() if p["kind"] in kinds}
        return document

    def score(self, direction: str, split: str, address: str, port: int, selection: list[str]) -> Records:
        """Run the scoring program and return its verdicts."""
        out = WORK / f"{direction}-{split.replace(':', '-')}.json"
        out.unlink(missing_ok=True)
        env = self.environment() | {
            "LLMGATEWAY": address,
            "LLMGATEWAY_PROTOS": str(ROOT / "protos"),
            "SPLIT": split,
            "TMPDIR": str(WORK),
        }
        command = [
            self.python,
            "score.py",
            "--driver",
            DRIVER.stem,
            "--direction",
            direction,
            "--port",
            str(port),
            "--out",
            str(out),
            *selection,
        ]
        done = subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
        (WORK / f"{out.stem}.txt").write_text(done.stdout + done.stderr)
        if "no case" in done.stderr and done.returncode:
            return {}
        if done.returncode or not out.exists():
            sys.exit(f"The scoring program failed, see {WORK / (out.stem + '.txt')}:\n{done.stderr[-2000:]}")
        cases: Records = json.loads(out.read_bytes())["cases"]
        return cases


def main(selection: list[str]) -> None:
    """Score, print, write."""
    corpus = Path(os.environ.get("CORPUS") or ROOT / "../shared/corpus")
    corpus = corpus if corpus.is_absolute() else ROOT / corpus
    if not (corpus / "tools" / "score.py").exists():
        print(
            f"Skipped: there is no recorded traffic at {os.environ.get('CORPUS') or '../shared/corpus'} (set CORPUS)."
        )
        return
    WORK.mkdir(parents=True, exist_ok=True)
    python = ROOT / os.environ.get("CODEGEN_PYTHON", "build/codegen/bin/python")
    tools = Tools(folder=corpus / "tools", python=str(python))
    with socket.create_server((LOOPBACK, 0)) as probe:
        port = probe.getsockname()[1]
    with gateway.process(tools.configuration(port), WORK) as server:
        recorded = tools.score("response", "recorded", server.address, port, selection)
        response = response_scores(recorded)
        by_byte = response_scores(tools.score("response", "bytes:1", server.address, port, selection), recorded)
        request = request_scores(tools.score("request", "recorded", server.address, port, selection), explanations())
    print(table(response, by_byte, request))
    if not selection:
        (BUILD / "corpus.json").write_text(json.dumps(as_json(response, by_byte, request), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
