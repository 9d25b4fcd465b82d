"""Counts in sentences."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return e.g. "1 row", "2 rows", "3 analyses" (given its plural)."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
