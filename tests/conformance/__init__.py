"""Conversations played through the clients of all languages; see README.md."""
