"""Python client of LLMGateway."""
