"""What may be written to a terminal. Models, providers and gateways choose the text; escape sequences in it could drive the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

# C0 but tab and newline, DEL and C1, shown by their control pictures where there are any; carriage return is dropped, since it would
# let a text hide what stands before it. Bidirectional controls reorder what is read (Unicode TR 36).
_CONTROLS: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n\r"},
    0x0D: "",
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
    **dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd"),
}


def printable(text: str) -> str:
    """The text with its control characters made visible; tabs and line breaks stay."""
    return text.translate(_CONTROLS)


def one_line(text: str) -> str:
    """The text on one line, its control characters made visible."""
    return printable(" ".join(text.split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], width: int | None = None, whole: int = 0) -> str:
    """Columns aligned to the left, two spaces apart. width: most characters of a line; longer cells end in an ellipsis then, and the last
    columns give way when that is not enough. whole: the column that names the row and is not shortened."""
    lines = [list(header), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    least = [max(len(title), _LEAST) for title in header]
    while width is not None and sum(widths) + 2 * (len(widths) - 1) > width and len(widths) > whole + 1:
        widest = max(set(range(len(widths))) - {whole}, key=lambda column: widths[column] - least[column])
        if widths[widest] > least[widest]:
            widths[widest] -= 1
        else:
            widths.pop()
    return "\n".join("  ".join(map(_cell, line, widths)).rstrip() for line in lines)


_LEAST = 8
"""Characters that a shortened cell keeps."""


def _cell(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}…"


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], whole: int = 0) -> None:
    """Print a table, on a terminal as wide as that is; whoever reads a pipe gets every cell whole."""
    print(table(header, rows, shutil.get_terminal_size().columns if sys.stdout.isatty() else None, whole))


class Enum(Protocol):
    """An enum of the contract, as its generated code offers it."""

    def Name(self, number: Any) -> str: ...  # noqa: N802 - protobuf's name
    def values(self) -> Iterable[int]: ...


def enum_name(enum: Enum, prefix: str, value: int) -> str:
    """Name of an enum's value without its prefix; a value of a newer gateway is its number."""
    return enum.Name(value).removeprefix(prefix) if value in enum.values() else str(value)
