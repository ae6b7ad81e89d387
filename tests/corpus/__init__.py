"""Recorded provider traffic replayed through the gateway. The recordings are not part of the project."""
