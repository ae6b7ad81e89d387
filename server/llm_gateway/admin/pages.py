"""Names of resources, and lists page by page (AIP-122, AIP-158)."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from llm_gateway.config.values import NAME, NAME_RULE
from llm_gateway.errors import InvalidRequest, ResourceNotFound, Violation

USUAL_PAGE, LARGEST_PAGE = 100, 1000
"""Resources a page: where none is asked for, and at most."""
LONGEST_NAME = 100
"""Characters of the id of a resource that is set at run time."""
FIRST_KEY = "main"
"""The id of a key that is given none."""


class Numbered(Protocol):
    @property
    def number(self) -> int: ...


N = TypeVar("N", bound=Numbered)


def named(collection: str, name: str, known: Iterable[str], field: str = "name") -> str:
    """The id in a resource's name, `providers/edge`. field: of the name in the request. Raises InvalidRequest for what is no such name,
    ResourceNotFound for none of the known."""
    head, slash, one = name.partition("/")
    if head != collection or not slash or not NAME.fullmatch(one):
        right = f"Write {collection}/ followed by an id, such as {collection}/{next(iter(known), 'edge')}."
        reason = "INVALID_NAME" if name else "REQUIRED"
        raise InvalidRequest(violations=[Violation(field=field, description=right, reason=reason)])
    if one not in known:
        near = difflib.get_close_matches(one, list(known), n=1)
        right = f"did you mean {collection}/{near[0]}?" if near else f"configured: {', '.join(known) or 'none'}."
        raise ResourceNotFound(f"There is no {collection}/{one}; {right}", resource=f"{collection}/{one}")
    return one


def new_name(field: str, name: str) -> str:
    """The id of a new resource. Raises InvalidRequest."""
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        right = f"Give a name of {LONGEST_NAME} characters at most; {NAME_RULE}."
        raise InvalidRequest.of(field, right, "INVALID_NAME" if name else "REQUIRED")
    return name


def page(names: Iterable[str], size: int, token: str) -> tuple[Sequence[str], str]:
    """The names of one page, in order, and the token of the next. Raises InvalidRequest."""
    most, after = _asked(size, token)
    rest = sorted(name for name in names if name > after)
    return rest[:most], _token(rest[most - 1]) if len(rest) > most else ""


def latest(find: Callable[[int | None, int], Sequence[N]], size: int, token: str) -> tuple[Sequence[N], str]:
    """One page of what has numbers, the latest first, and the token of the next. find: those below a number, so many at most. Raises InvalidRequest."""
    most, after = _asked(size, token)
    if after and not (after.isascii() and after.isdecimal()):
        raise InvalidRequest(violations=[_FOREIGN])
    found = find(int(after) if after else None, most + 1)
    return found[:most], _token(str(found[most - 1].number)) if len(found) > most else ""


def _asked(size: int, token: str) -> tuple[int, str]:
    """Resources of the page, and the last one of the page before."""
    violations = []
    after = ""
    if size < 0:
        violations.append(Violation(field="page_size", description="Give 0 or more.", reason="OUT_OF_RANGE"))
    if token:
        try:
            after = base64.urlsafe_b64decode(token.encode()).decode().removeprefix("after ")
        except ValueError:
            after = ""
        if _token(after) != token or not after:
            violations.append(_FOREIGN)
    if violations:
        raise InvalidRequest(violations=violations)
    return min(size or USUAL_PAGE, LARGEST_PAGE), after


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(f"after {last}".encode()).decode()


_FOREIGN = Violation(
    field="page_token",
    description="Send the next_page_token of the page before, or nothing for the first page.",
    reason="INVALID_TOKEN",
)
