"""Transports that are child processes: Claude Code's command, LiteLLM's library."""
