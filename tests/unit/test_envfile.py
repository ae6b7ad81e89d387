"""A file of variables, read as people write them."""

import pytest
from llm_gateway.config import ConfigError
from llm_gateway.config.envfile import parse, read

TEXT = """\
# a comment
A=plain
export B = spaced value   # and a comment
C='single $X # kept'
D="double \\"quoted\\" line\\nbreak"  # gone
E=
F=a#b
G="-----BEGIN
KEY-----"
  H=http://h/?a=b
A=last
"""


def test_variables_are_read_as_a_shell_would() -> None:
    """Quotes, comments, export, space, several lines; the last value holds."""
    assert parse(TEXT, ".env") == {
        "A": "last",
        "B": "spaced value",
        "C": "single $X # kept",
        "D": 'double "quoted" line\nbreak',
        "E": "",
        "F": "a#b",
        "G": "-----BEGIN\nKEY-----",
        "H": "http://h/?a=b",
    }
    assert parse("A=1\r\nB='2'\r\n", ".env") == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("A=1\nsecret", 2, ""),
        ("A: secret", 1, ""),
        ("\n\nA='secret", 3, "A"),
        ('A="secret', 1, "A"),
        ("A='secret' more", 1, "A"),
        ("A=${secret}", 1, "A"),
        ('A="x${secret}"', 1, "A"),
        ("A=$secret", 1, "A"),
    ],
)
def test_a_wrong_line_is_told_by_its_number_and_never_shown(text: str, line: int, key: str) -> None:
    """What is no variable, a quote without end, and what would be expanded elsewhere."""
    with pytest.raises(ConfigError) as caught:
        parse(text, ".env")
    assert [(problem.line, problem.key) for problem in caught.value.errors] == [(line, key)]
    assert "secret" not in str(caught.value)


def test_every_wrong_line_is_told_at_once() -> None:
    """Like everything that is wrong with a configuration."""
    with pytest.raises(ConfigError) as caught:
        parse("?\nA=1\n!\n", ".env")
    assert [problem.line for problem in caught.value.errors] == [1, 3]


def test_a_file_that_is_not_there_is_named() -> None:
    """By the path that was given."""
    with pytest.raises(ConfigError, match=r"nowhere/\.env: cannot be read"):
        read("nowhere/.env")
