"""Names of resources, and lists page by page (AIP-122, AIP-158)."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Iterable, Sequence

from llm_gateway.config.values import NAME
from llm_gateway.errors import InvalidRequest, ResourceNotFound, Violation

USUAL_PAGE, LARGEST_PAGE = 100, 1000
"""Resources a page: where none is asked for, and at most."""


def named(collection: str, name: str, known: Iterable[str]) -> str:
    """The id in a resource's name, `providers/edge`. Raises InvalidRequest for what is no such name, ResourceNotFound for none of the known."""
    head, slash, one = name.partition("/")
    if head != collection or not slash or not NAME.fullmatch(one):
        right = f"Write {collection}/ followed by an id, such as {collection}/{next(iter(known), 'edge')}."
        reason = "INVALID_NAME" if name else "REQUIRED"
        raise InvalidRequest(violations=[Violation(field="name", description=right, reason=reason)])
    if one not in known:
        near = difflib.get_close_matches(one, list(known), n=1)
        right = f"did you mean {collection}/{near[0]}?" if near else f"configured: {', '.join(known) or 'none'}."
        raise ResourceNotFound(f"There is no {collection}/{one}; {right}", resource=f"{collection}/{one}")
    return one


def page(names: Iterable[str], size: int, token: str) -> tuple[Sequence[str], str]:
    """The names of one page, in order, and the token of the next. Raises InvalidRequest."""
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
            right = "Send the next_page_token of the page before, or nothing for the first page."
            violations.append(Violation(field="page_token", description=right, reason="INVALID_TOKEN"))
    if violations:
        raise InvalidRequest(violations=violations)
    rest = sorted(name for name in names if name > after)
    most = min(size or USUAL_PAGE, LARGEST_PAGE)
    return rest[:most], _token(rest[most - 1]) if len(rest) > most else ""


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(f"after {last}".encode()).decode()
