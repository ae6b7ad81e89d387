"""``llm-gateway admin-key new``: a key of the administration, shown once, and the line that lets it in."""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets

from llm_gateway.cli import OK

PREFIX = "lgwadm-"
"""How such keys begin, so that people and scanners know one."""


def run(args: argparse.Namespace) -> int:
    key = PREFIX + secrets.token_hex(32)  # 256 bits, which nobody finds by trying: a plain hash is enough
    digest = f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
    if args.json:
        print(json.dumps({"name": args.name, "role": args.role, "key": key, "hash": digest}))
        return OK
    print(f"The key; it is shown this once, and goes into LLM_GATEWAY_ADMIN_KEY:\n\n  {key}\n")
    print(
        f'The line for admin.keys of the configuration:\n\n    - {{name: {args.name}, role: {args.role}, hash: "{digest}"}}'
    )
    return OK
