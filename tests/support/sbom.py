"""Write what an image holds of others: `make sbom EXTRAS="vertex prices"`, a CycloneDX document in build/sbom.json.

It is made from the locks that an image with these extras is installed from, by cyclonedx-bom (https://cyclonedx-bom-tool.readthedocs.io/), and
is then held against them: each pin is there with its version, its package URL and all of its hashes. A pin for another platform or
Python is there too, for the lock is for all of them. It is a list: who needs whom is in the comments of the locks.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support import locks
from tests.support.environments import environment
from tests.support.locks import ROOT

SBOM = Path("build/sbom.json")


def merged(root: Path, extras: Sequence[str]) -> dict[str, str]:
    """The entries of the locks of an image, by name. They agree where they overlap, since `make lock` cuts them out of one. Raises ValueError."""
    found: dict[str, str] = {}
    for file in ("requirements.lock", *(f"requirements-{extra}.lock" for extra in extras)):
        for entry in locks.entries((root / file).read_text()):
            (pin,) = locks.pins(entry)
            if (other := found.setdefault(pin.name, entry)) != entry:
                raise ValueError(
                    f"{file}: {pin.name} is not as in the lock before it: {entry.split()[0]}, {other.split()[0]}; make lock"
                )
    return found


def problems(sbom: Mapping[str, Any], wanted: Mapping[str, str]) -> list[str]:
    """What an SBOM lacks of the entries of a lock, and what it has beside them."""
    components = {one["name"]: one for one in sbom["components"]}
    found = [f"{name}: not in any lock" for name in components.keys() - wanted.keys()]
    for name, entry in wanted.items():
        (pin,) = locks.pins(entry)
        one = components.get(name, {})
        hashes = {
            each["content"]
            for reference in one.get("externalReferences", ())
            for each in reference.get("hashes", ())
            if each["alg"] == "SHA-256"
        }
        if (one.get("version"), one.get("purl")) != (pin.version, f"pkg:pypi/{name}@{pin.version}"):
            found.append(f"{name}: not there as {pin.version} with its package URL")
        if hashes != set(re.findall(r"--hash=sha256:(\w+)", entry)):
            found.append(f"{name}: not all of its hashes are there")
    return found


def main(extras: Sequence[str], path: Path = SBOM) -> int:
    """Write the document; print what is wrong with it, or what it has."""
    if unknown := set(extras) - {*locks.RUNTIME}:
        print(
            f"No image has the extra {', '.join(sorted(unknown))}; there are {', '.join(locks.RUNTIME)}.",
            file=sys.stderr,
        )
        return 2
    entries = merged(ROOT, extras)
    options = ("--pyproject=pyproject.toml", "--mc-type=application", "--spec-version=1.6", "--output-format=JSON")
    path.parent.mkdir(exist_ok=True)
    subprocess.run(
        [
            environment("supply") / "bin" / "cyclonedx-py",
            "requirements",
            "-",
            *options,
            "--output-reproducible",
            "-o",
            path,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore::UserWarning"},  # that it is no graph
        input="\n".join(entries.values()),
        text=True,
        check=True,
    )
    found = problems(json.loads(path.read_text()), entries)
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    if not found:
        print(f"{path}: {len(entries)} packages of an image with {', '.join(extras) or 'no extras'}.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
