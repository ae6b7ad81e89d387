"""``llm-gateway master-key new``: a file with the key that seals what the store keeps secret, and the line that names it."""

from __future__ import annotations

import argparse
import json
import os

from llm_gateway.cli import OK, UsageError


def run(args: argparse.Namespace) -> int:
    from llm_gateway.store import master

    path = os.path.abspath(args.file)
    try:
        made = master.write(path, master.new())
    except FileExistsError:
        raise UsageError(
            f"{args.file} is there already; a master key is never overwritten, so name another file"
        ) from None
    except OSError as error:
        raise UsageError(f"{args.file} cannot be written: {error.strerror}") from None
    if args.json:
        print(json.dumps({"file": path, "id": made.id}))
        return OK
    print(
        f"{args.file} holds the new master key {made.id}, for its owner's eyes. Keep a copy apart from the store: without it"
    )
    print("the keys in the store are lost. The lines for the configuration:\n")
    print(f"store:\n  master_key: {{file: {json.dumps(path)}}}")
    return OK
