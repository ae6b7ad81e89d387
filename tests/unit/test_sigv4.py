"""Signatures of AWS requests, against AWS's published vector and botocore."""

import datetime
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway.upstream import sigv4
from llm_gateway.upstream.sigv4 import AwsKeys

MOMENT = datetime.datetime(2015, 8, 30, 12, 36, tzinfo=datetime.UTC)
KEYS = AwsKeys(access_key_id="AKIDEXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def test_the_published_vector_is_reproduced() -> None:
    """get-vanilla of AWS's Signature Version 4 test suite."""
    headers = dict(
        sigv4.sign(
            "GET",
            "/",
            b"",
            (("host", "example.amazonaws.com"),),
            keys=KEYS,
            region="us-east-1",
            service="service",
            moment=MOMENT,
        )
    )
    assert headers == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    }


def botocore_signature(method: str, target: str, body: bytes, token: str, region: str) -> str:
    """The Authorization header that AWS's own library writes."""
    request = AWSRequest(
        method=method,
        url=f"https://bedrock-runtime.{region}.amazonaws.com{target}",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    request.context["timestamp"] = MOMENT.strftime("%Y%m%dT%H%M%SZ")
    auth = SigV4Auth(Credentials(KEYS.access_key_id, KEYS.secret_access_key, token or None), "bedrock", region)
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    signed = auth.signed_headers(auth.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={signed}, Signature={signature}"


@given(
    model=st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters=".:/-_%"), min_size=3),
    body=st.binary(max_size=200),
    token=st.sampled_from(["", "IQoJb3JpZ2luX2VjE+/=="]),
    region=st.sampled_from(["us-east-1", "ap-southeast-2"]),
)
def test_signatures_are_those_of_botocore(model: str, body: bytes, token: str, region: str) -> None:
    """Any model id in the path, percent-encoded once in the request and twice in what is signed; temporary keys too."""
    target = f"/model/{quote(model, safe='')}/converse-stream"
    host = f"bedrock-runtime.{region}.amazonaws.com"
    headers = sigv4.sign(
        "POST",
        target,
        body,
        (("content-type", "application/json"), ("host", host)),
        keys=AwsKeys(access_key_id=KEYS.access_key_id, secret_access_key=KEYS.secret_access_key, token=token),
        region=region,
        service="bedrock",
        moment=MOMENT,
    )
    assert dict(headers)["authorization"] == botocore_signature("POST", target, body, token, region)
    assert dict(headers).get("x-amz-security-token", "") == token


@pytest.mark.parametrize(
    "query", ["byOutputModality=TEXT", "nextToken=a%2Fb%3D&maxResults=1000", "b=2&a=1&a=0", "empty=&x=%20y"]
)
def test_queries_are_signed_in_order(query: str) -> None:
    """The canonical query is sorted and encoded like botocore's, however it was sent."""
    host = "bedrock-runtime.us-east-1.amazonaws.com"
    headers = sigv4.sign(
        "GET",
        f"/inference-profiles?{query}",
        b"",
        (("content-type", "application/json"), ("host", host)),
        keys=KEYS,
        region="us-east-1",
        service="bedrock",
        moment=MOMENT,
    )
    expected = botocore_signature("GET", f"/inference-profiles?{query}", b"", "", "us-east-1")
    assert dict(headers)["authorization"] == expected


def test_keys_do_not_show_their_secrets() -> None:
    """A repr in a log holds the key's id at most."""
    shown = repr(AwsKeys(access_key_id="AKIA1", secret_access_key="hidden-1", token="hidden-2"))
    assert "hidden" not in shown
    assert "AKIA1" in shown
