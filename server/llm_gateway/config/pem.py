"""TLS files: whether they contain what they should, whether key and certificate match, and when a certificate expires."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple


class Wrong(NamedTuple):
    """field: which file. wrong, right: as in ConfigProblem, without any content of the file."""

    field: str
    wrong: str
    right: str


_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN (ENCRYPTED )?(?:[A-Z]+ )?PRIVATE KEY-----")


def check_pair(cert_file: str, key_file: str) -> Iterator[Wrong]:
    """What is wrong with a certificate chain and its private key, a server's or a client's."""
    import ssl  # not paid for by a gateway without TLS

    cert, key = _read(cert_file), _read(key_file)
    found = key and _KEY.search(key)
    if cert is None:
        yield Wrong("cert_file", "cannot be read", "check who may read it")
    elif not _CERTIFICATE.search(cert):
        yield Wrong(
            "cert_file", "holds no certificate in PEM", "give the file with BEGIN CERTIFICATE, the server's own first"
        )
    if key is None:
        yield Wrong("key_file", "cannot be read", "check who may read it")
    elif not found:
        yield Wrong("key_file", "holds no private key in PEM", "give the file with BEGIN PRIVATE KEY")
    elif found[1] or b"Proc-Type: 4,ENCRYPTED" in key:
        yield Wrong("key_file", "is encrypted, and nobody is there to type its passphrase", "give it without one")
    elif cert is not None and _CERTIFICATE.search(cert):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert_file, key_file)
        except ssl.SSLError as error:
            if "MISMATCH" in (error.reason or ""):
                yield Wrong(
                    "key_file",
                    "is not the key of the certificate in cert_file",
                    "give the two that were issued together",
                )
            else:
                yield Wrong("cert_file", "cannot be read as PEM, or key_file cannot", "check how they were copied")


def check_authorities(field: str, file: str) -> Iterator[Wrong]:
    """What is wrong with a file of authorities."""
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:
        yield Wrong(field, "holds no certificate in PEM", "give the file with the authority's BEGIN CERTIFICATE")
    except OSError:
        yield Wrong(field, "cannot be read", "check who may read it")


def ends(file: str) -> datetime | None:
    """When the first certificate of a file expires; None where that cannot be read."""
    match = _CERTIFICATE.search(_read(file) or b"")
    try:
        return _not_after(base64.b64decode(match[1])) if match else None
    except (IndexError, ValueError, binascii.Error):
        return None


def _read(file: str) -> bytes | None:
    try:
        with open(file, "rb") as stream:
            return stream.read(1 << 20)
    except OSError:
        return None


def _not_after(der: bytes) -> datetime:
    """RFC 5280, 4.1: Certificate { TBSCertificate { [0] version, serial, signature, issuer, validity { from, to }, … }, … }."""
    certificate = _items(_items(der)[0][1])
    fields = [item for item in _items(certificate[0][1]) if item[0] != 0xA0]
    tag, text = _items(fields[3][1])[1]
    year = 4 if tag == 0x18 else 2  # GeneralizedTime, UTCTime
    digits = text.decode("ascii")
    century = "" if year == 4 else "20" if digits < "50" else "19"
    return datetime.strptime(century + digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _items(der: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element of DER (X.690)."""
    items, at = [], 0
    while at < len(der):
        tag, size, at = der[at], der[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(der[at : at + count], "big"), at + count
        items.append((tag, der[at : at + size]))
        at += size
    return items
