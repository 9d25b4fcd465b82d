"""Messages about unknown names, with the known name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["nearest", "unknown"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, or None where none resembles it.

    Case and surrounding or repeated blanks do not count: "laser " is nearest to "Laser".
    """
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(_fold(candidate), candidate)
    found = get_close_matches(_fold(name), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return e.g. "unknown key 'endpoit'; nearest known: 'endpoint'"; all of them where none is near."""
    names = tuple(known)
    near = nearest(name, names)
    if near is not None:
        return f"unknown {kind} {name!r}; nearest known: {near!r}"
    listed = ", ".join(map(repr, names)) if names else "none"
    return f"unknown {kind} {name!r}; known: {listed}"


def _fold(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
