"""A plugin of detect-secrets: what it does not know itself, or knows by too little. Run in build/supply."""

import re

from detect_secrets.plugins.base import RegexBasedDetector


class VendorKeyDetector(RegexBasedDetector):
    """Keys of the providers in upstream/providers.py whose issuers let them be recognised, and of what stands around them."""

    secret_type = "Key of a provider"
    denylist = tuple(
        re.compile(rf"(?<![A-Za-z0-9_-])(?:{looks})")
        for looks in (
            r"sk-[A-Za-z0-9_-]{16,}",  # Anthropic, OpenAI, DeepSeek, OpenRouter
            r"xai-[A-Za-z0-9]{20,}",
            r"(?:gsk|hf|fw|tgp_v1)_[A-Za-z0-9_-]{16,}",  # Groq, Hugging Face, Fireworks, Together
            r"(?:csk|pplx)-[A-Za-z0-9]{16,}",  # Cerebras, Perplexity
            r"AIza[A-Za-z0-9_-]{20,}",  # Google, an API key
            r"ya29\.[A-Za-z0-9_-]{16,}",  # Google, an access token
            r"bedrock-api-key-[A-Za-z0-9+/=]{16,}",
            r"ABSK[A-Za-z0-9+/=]{16,}",  # Bedrock, a long-term key
        )
    )


class PemKeyDetector(RegexBasedDetector):
    """A private key in PEM with something in it: as lines of its own, or in a string. Words about private keys are none."""

    secret_type = "PEM key"
    denylist = (
        re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?=\s*$|\\[nr][\\nrA-Za-z0-9+/]{32})"),
    )
