"""The package stands alone: lifted out under another name, its README's example runs, and nothing of the gateway's is imported."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

from llm_gateway.upstream import http

FOLDER = Path(http.__file__).parent
NAME = "llm_gateway.upstream.http"
ANSWERS = {
    b"POST /v1/echo HTTP/1.1": b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello",
    b"GET /v1/stream HTTP/1.1": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n",
}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await reader.readline():
        size = 0
        while (line := await reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            size = int(value) if name == b"content-length" else size
        await reader.readexactly(size)
        writer.write(ANSWERS[head.strip()])
    writer.close()


async def test_readme_example_runs_in_a_copy_of_the_package(tmp_path: Path) -> None:
    """Under another name, against a real server; of the gateway, httpx and httpcore nothing is loaded then."""
    shutil.copytree(FOLDER, tmp_path / "lifted", ignore=shutil.ignore_patterns("__pycache__"))
    [example] = re.findall(r"^```python\n(.*?)^```", (FOLDER / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert NAME in example
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    program = f"{example.replace(NAME, 'lifted')}\nasyncio.run(main({url!r}))\nimport sys; print(sorted(sys.modules))"
    (tmp_path / "example.py").write_text(program)
    async with server:
        ran = await asyncio.to_thread(
            subprocess.run, [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=240
        )
    assert ran.returncode == 0, ran.stderr
    *said, modules = ran.stdout.splitlines()
    assert said == ["200 text/plain b'hello'", "b'one'"]
    assert "'lifted.h1'" in modules
    assert not re.search(r"'(llm_?gateway|httpx|httpcore)\b", modules)


def test_every_module_imports_itself_and_what_the_readme_names() -> None:
    """Also inside functions: the standard library, httptools, httpx and httpcore."""
    for path in FOLDER.glob("*.py"):
        for line in re.findall(r"^ *(?:from|import) +([\w.]+)", path.read_text(), re.MULTILINE):
            top = line.partition(".")[0]
            assert not top or top in {*sys.stdlib_module_names, "httptools", "httpx", "httpcore"}, (path.name, line)
