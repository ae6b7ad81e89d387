"""Amazon Bedrock by its Converse API: https://docs.aws.amazon.com/bedrock/latest/APIReference."""

from llm_gateway.providers.anthropic import HOSTED
from llm_gateway.providers.rows import Usual, one

ROW = one(
    "bedrock",
    "BEDROCK",
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    control_url="https://bedrock.{region}.amazonaws.com",
    trims="/model(/.*)?",
    identity="aws",
    usual=Usual(
        key=("AWS_BEARER_TOKEN_BEDROCK",),
        settings={"region": ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_REGION_NAME")},
        needs=("region",),
        keyless=True,
        when=(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_PROFILE",), ("AWS_WEB_IDENTITY_TOKEN_FILE",)),
        shown={"AWS_REGION": "us-east-1", "AWS_BEARER_TOKEN_BEDROCK": ""},
    ),
    # Inference profiles, which keep a call in its part of the world; Amazon's own models need no form to be filled in:
    # https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
    default_model="global.amazon.nova-2-lite-v1:0",
    default_models={
        "us-gov-": "",
        "us-": "us.amazon.nova-2-lite-v1:0",
        "ca-": "us.amazon.nova-2-lite-v1:0",
        "eu-": "eu.amazon.nova-2-lite-v1:0",
    },
    known=HOSTED,
    aliases=("aws", "awsbedrock", "amazonbedrock"),
    rank=8,
    prices="aws",
    otel="aws.bedrock",
    shown_model="anthropic.claude-sonnet-4-5-20250929-v1:0",
)
