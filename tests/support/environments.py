"""Programs that tests run and the gateway does not hold: each in an environment of its own under build/, pinned by its lock."""

import fcntl
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment(name: str) -> Path:
    """The environment of `requirements-NAME.lock`, made when it is not there yet, which takes a minute or two."""
    made = ROOT / "build" / name
    made.parent.mkdir(exist_ok=True)
    with made.with_suffix(".lock").open("w") as lock:  # the workers of pytest-xdist come here at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["make", "--no-print-directory", "--silent", f"build/{name}/.setup"]
        subprocess.run(command, cwd=ROOT, check=True, timeout=900)
    return made


def claude_code() -> Path:
    """The command `claude`."""
    (command,) = environment("claude-code").glob("lib/python*/site-packages/claude_agent_sdk/_bundled/claude")
    return command


def litellm() -> Path:
    """A Python that can import LiteLLM."""
    return environment("litellm") / "bin" / "python"
