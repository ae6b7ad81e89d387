"""Tests of LLMGateway."""
