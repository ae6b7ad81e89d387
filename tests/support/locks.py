"""Whether every install of a lock file needs nothing but the lock file: `python -m tests.support.locks`, a part of `make lint`.

pip resolves what it is not told, on the day of the install: a release of that day may then lack its hash, and the install fails. So a
lock is complete, and is installed with --no-deps. Complete means that for each Python and platform below, whatever its roots
in pyproject.toml need, and what that needs in turn with its extras and markers, has a pin with hashes in the same lock.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
CLIENT = "llmgateway-client"  # part of this repository: it has no pin, and what it needs has
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = (
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
)

Environment = Mapping[str, str]
Needs = Mapping[tuple[str, str], Sequence[str]]
"""What a release needs, by its name and version, as its metadata says it."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file. extras, groups: its roots in pyproject.toml, as `make lock` names them. folder: where it is installed."""

    file: str
    folder: str
    groups: Sequence[str] = ()
    extras: Sequence[str] | None = None  # None: without the project's own dependencies


RUNTIME = (
    "admin",
    "azure",
    "bedrock",
    "postgres",
    "prices",
    "vertex",
)  # what runs in the gateway's own process, and what an image may have
LOCKS = (
    Lock("requirements.lock", ".venv", extras=()),
    *(Lock(f"requirements-{extra}.lock", ".venv", extras=(extra,)) for extra in RUNTIME),
    Lock("requirements-dev.lock", ".venv", groups=("dev",), extras=RUNTIME),
    Lock("requirements-build.lock", ".venv", groups=("build",)),
    Lock("requirements-codegen.lock", "build/codegen", groups=("codegen",)),
    Lock("requirements-litellm.lock", "build/litellm", groups=("litellm",)),
    Lock("requirements-litellm-proxy.lock", "build/litellm-proxy", groups=("litellm-proxy",)),
    Lock("requirements-supply.lock", "build/supply", groups=("supply",)),
)
BARE = ("requirements-claude-code.lock",)  # a wheel for the program in it; none of its Python is run


@dataclass(frozen=True, slots=True)
class Pin:
    """One entry of a lock file."""

    name: str
    version: str
    marker: Marker | None
    hashes: int

    def applies(self, environment: Environment) -> bool:
        return self.marker is None or self.marker.evaluate({**environment, "extra": ""})


def entries(text: str) -> list[str]:
    """The text of a lock file by its pins, each with its hashes and without comments."""
    return re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n?", "", text).strip())


def pins(text: str) -> list[Pin]:
    """The pins of a lock file. Raises ValueError for one that is no `name==version`."""
    found = []
    for entry in entries(text):
        requirement = Requirement(entry.split("\\\n")[0].split("--hash")[0])
        (exact,) = requirement.specifier
        if exact.operator != "==" or "*" in exact.version:
            raise ValueError(f"{requirement} is no exact version")
        name = canonicalize_name(requirement.name)
        found.append(Pin(name, exact.version, requirement.marker, entry.count("--hash=sha256:")))
    return found


def environments() -> Iterator[dict[str, str]]:
    """CPython of every version on every platform that a lock promises."""
    for python, platform in product(PYTHONS, PLATFORMS):
        versions = {
            "python_version": python,
            "python_full_version": f"{python}.1",
            "implementation_version": f"{python}.1",
        }
        implementation = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
        yield {**versions, **implementation, **platform, "platform_release": "", "platform_version": ""}


@dataclass(slots=True)
class Found:
    """problems: what makes the lock incomplete. unread: pins whose own needs are not known here, for they are not installed.
    absent: locks that are installed nowhere here, so that nothing is known of them."""

    problems: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    absent: list[str] = field(default_factory=list)


def completeness(
    name: str, locked: Sequence[Pin], roots: Sequence[str], needs: Needs, environment: Environment
) -> Found:
    """Follow what the roots need through the pins of a lock, for one environment."""
    found = Found()
    by_name = {pin.name: pin for pin in locked if pin.applies(environment)}
    waiting = [("pyproject.toml", "", Requirement(root)) for root in roots]
    seen: set[tuple[str, str]] = set()
    while waiting:
        asker, extra, requirement = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({**environment, "extra": extra}):
            continue
        wanted = canonicalize_name(requirement.name)
        pin = by_name.get(wanted)
        if wanted == CLIENT:
            release = (CLIENT, "")
        elif pin is None:
            found.problems.append(f"{name}: no pin for {requirement}, which {asker} needs")
            continue
        elif not requirement.specifier.contains(pin.version, prereleases=True):
            found.problems.append(f"{name}: {wanted}=={pin.version} is not the {requirement} that {asker} needs")
            continue
        else:
            release = (wanted, pin.version)
        if release not in needs:
            found.unread.add("==".join(release))
            continue
        for each in ("", *requirement.extras):
            if (wanted, each) not in seen:
                seen.add((wanted, each))
                waiting += [(wanted, each, Requirement(text)) for text in needs[release]]
    return found


def installed(folder: Path) -> dict[tuple[str, str], Sequence[str]]:
    """What each release in a virtual environment needs."""
    (site,) = folder.glob("lib/python*/site-packages")
    return {
        (canonicalize_name(one.name), one.version): one.requires or ()
        for one in metadata.distributions(path=[str(site)])
    }


def group(project: Mapping[str, Any], name: str) -> list[str]:
    """The requirements of a dependency group, with those of the groups in it."""
    found: list[str] = []
    for one in project["dependency-groups"][name]:
        found += [one] if isinstance(one, str) else group(project, one["include-group"])
    return found


def check(root: Path) -> Found:
    """Every lock file of the repository."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    client = tomllib.loads((root / "clients/python/pyproject.toml").read_text())["project"]["dependencies"]
    found = Found()
    for lock in LOCKS:
        roots = [text for name in lock.groups for text in group(project, name)]
        if lock.extras is not None:
            roots += project["project"]["dependencies"]
            roots += [text for name in lock.extras for text in project["project"]["optional-dependencies"][name]]
        if not (root / lock.folder / ".setup").exists():
            found.absent.append(lock.file)
            continue
        locked = pins((root / lock.file).read_text())
        needs = {**installed(root / lock.folder), (CLIENT, ""): client}
        this = {name: str(value) for name, value in default_environment().items()}
        here = completeness(lock.file, locked, roots, needs, this)
        found.problems += [f"{lock.file}: {one} is not installed in {lock.folder}: make setup" for one in here.unread]
        places: dict[str, list[str]] = {}
        for environment in environments():
            seen = completeness(lock.file, locked, roots, needs, environment)
            found.unread |= seen.unread
            for problem in seen.problems:
                places.setdefault(problem, []).append("{python_version} on {sys_platform}".format_map(environment))
        found.problems += [f"{problem} (Python {', '.join(dict.fromkeys(where))})" for problem, where in places.items()]
    for file in (*(lock.file for lock in LOCKS), *BARE):
        found.problems += [
            f"{file}: {pin.name} has no hash" for pin in pins((root / file).read_text()) if not pin.hashes
        ]
    for file in {path.name for path in root.glob("requirements*.lock")} - {lock.file for lock in LOCKS} - {*BARE}:
        found.problems.append(f"{file}: nobody checks it; name it in tests/support/locks.py")
    return found


# ---------------------------------------------------------------- the commands
LOCK_NEEDS = ("--require-hashes", "--no-deps")
OURS = re.compile(r"(Makefile|Dockerfile|\.ci/.*|deploy/.*)")  # what runs for everybody; a guide may tell of packages


def commands(text: str) -> Iterator[tuple[int, str]]:
    """The commands in a text with the numbers of their lines: continued lines in one, and each part of a list for itself."""
    number = 1
    for line in re.split(r"(?<!\\)\n", text):
        for command in re.split(r"&&|\|\||[;|`]", line):
            yield number, " ".join(re.sub(r"""[\\"',\[\]]""", " ", command).split())
        number += line.count("\n") + 1


def install_problems(file: str, text: str) -> list[str]:
    """The installs by pip in a file that would resolve something."""
    found = []
    for number, command in commands(text):
        if not re.search(r"(?i)\bpip\b.* (install|wheel) ", f"{command} "):
            continue
        if re.search(r" (-r|--requirement)\b", command):
            missing = [option for option in LOCK_NEEDS if option not in command]
        else:
            missing = ["--no-deps"] if OURS.fullmatch(file) and "--no-deps" not in command else []
        found += [f"{file}:{number}: an install without {option}: {command}" for option in missing]
    return found


NAMES = ("llm-gateway", "llmgateway-client", "llmgateway", "@llmgateway/client")
"""Of our distributions. Nothing of ours is in a registry, so that an install by one of these names would fetch somebody else's program."""
BY_NAME = re.compile(r"(?i)\b(?:pipx?|uv|npm|pnpm|yarn|cargo|go)\b.* (?:install|add|i|get) (.*)")


def name_problems(file: str, text: str) -> list[str]:
    """The commands in a file that would install by name what only a working copy has."""
    found = [
        f"{file}:{number}: an install of {word} by name, which no registry has from us: {command}"
        for number, command in commands(text)
        if (install := BY_NAME.search(command))
        for word in install[1].split()
        if re.split(r"(?<=.)[@=<>~!]", word)[0] in NAMES or word.startswith("github.com/llmgateway/")
    ]
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"""\s*llmgateway\s*=\s*(?:["']|\{\s*version)""", line):  # of Cargo.toml
            found.append(f"{file}:{number}: a dependency on llmgateway by name, which no registry has from us")
    return found


# ---------------------------------------------------------------- what is watched
WATCHED = 15
"""Packages that the gateway itself may name; each is one whose releases and advisories somebody has to follow."""


def watched(root: Path) -> tuple[list[str], list[str]]:
    """What an image without extras holds of others: the packages that pyproject.toml names, and what these bring with them."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    direct = {canonicalize_name(Requirement(one).name) for one in project} - {CLIENT}
    locked = {pin.name for pin in pins((root / "requirements.lock").read_text())}
    return sorted(direct & locked), sorted(locked - direct)


def main() -> int:
    """Print what is wrong; the exit status."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = check(ROOT)
    for file in files.split("\0"):
        path = ROOT / file
        if file.startswith("tests/unit/") or path.suffix == ".lock" or not path.is_file():
            continue
        text = path.read_bytes().decode(errors="replace")
        found.problems += install_problems(file, text) + name_problems(file, text)
    direct, brought = watched(ROOT)
    if len(direct) > WATCHED:
        found.problems.append(f"pyproject.toml: {len(direct)} dependencies are more than the {WATCHED} that we watch")
    print(*found.problems, sep="\n", end="\n" if found.problems else "")
    if not found.problems:
        places = f"Python {PYTHONS[0]} to {PYTHONS[-1]} on {len(PLATFORMS)} platforms"
        beyond = ", ".join([*found.absent, *sorted(found.unread)])
        print(f"Locks are complete for {places}, by what is installed here (not {beyond}).")
        print(f"An image without extras holds {len(direct)} packages that we name and {len(brought)} that these bring.")
    return bool(found.problems)


if __name__ == "__main__":
    sys.exit(main())
