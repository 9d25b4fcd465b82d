"""What one table of a protocol says of another, checked: names, orders, chains, ranges."""

from __future__ import annotations

from outcomes.protocol import Protocol


def contradictions(protocol: Protocol) -> list[str]:
    """Return one line a contradiction, each naming its key."""
    return []
