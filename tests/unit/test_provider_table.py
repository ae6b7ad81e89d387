"""docs/providers.md is what the code says."""

from pathlib import Path

from tests.support import provider_table

PAGE = Path(__file__).resolve().parents[2] / "docs/providers.md"


def test_the_page_of_the_providers_is_not_stale() -> None:
    """`make docs` writes it."""
    assert PAGE.read_text() == provider_table.table()


def test_the_sample_of_variables_is_not_stale() -> None:
    """`make docs` writes that too."""
    assert provider_table.ENV.read_text() == provider_table.sample(provider_table.ENV.read_text())


def test_every_word_of_the_legend_occurs() -> None:
    """A table that says yes to everything would tell nothing."""
    cells = {
        cell.strip() for line in PAGE.read_text().splitlines() if line.startswith("| ") for cell in line.split("|")
    }
    assert {
        provider_table.CARRIED,
        provider_table.EMULATED,
        provider_table.DROPPED,
        provider_table.REFUSED,
    } <= cells
