"""An answer as it comes: its text, and on a terminal its reasoning before it, dimmed."""

from __future__ import annotations

import os
from typing import TextIO

from llmgateway.v1 import gateway_pb2

from llm_gateway.cli.terminal import printable

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class Answer:
    """Prints the first candidate's text and refusal. Reasoning goes to a terminal that can dim it, and nowhere else: a pipe gets the answer."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._dims = self._terminal and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ
        self._kinds: dict[int, str] = {}  # of the parts that are shown, by their index
        self._part = -1  # the last one that was printed
        self._last = ""

    def show(self, event: gateway_pb2.StreamSendResponse) -> None:
        """Print what an event adds."""
        if event.HasField("part_started"):
            started = event.part_started
            kind = started.part.WhichOneof("kind") or ""
            if started.candidate_index == 0 and (kind in ("text", "refusal") or (kind == "reasoning" and self._dims)):
                self._kinds[started.part_index] = kind
                self._print(started.part_index, getattr(started.part, kind).text)
        elif event.HasField("part_delta"):
            delta = event.part_delta
            if delta.candidate_index == 0 and delta.part_index in self._kinds:
                self._print(delta.part_index, delta.text)

    def end(self) -> None:
        """Leave the cursor on a line of its own, whatever came."""
        self._break()

    def _print(self, part: int, text: str) -> None:
        if not text:
            return
        if "reasoning" in (self._kinds[part], self._kinds.get(self._part)) and part != self._part:
            self._break()
        self._part, self._last = part, text
        shown = printable(text) if self._terminal else text
        print(
            f"{_DIM}{shown}{_PLAIN}" if self._kinds[part] == "reasoning" else shown, end="", file=self._out, flush=True
        )

    def _break(self) -> None:
        if self._last and not self._last.endswith("\n"):
            print(file=self._out)
        self._last = ""
