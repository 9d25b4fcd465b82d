"""What lists of figures say of each: the sentence that names it."""

from __future__ import annotations


def first_sentence(caption: str) -> str:
    """Return the beginning of a caption, which names what is drawn: its first sentence.

    Parameters
    ----------
    caption
        Of a figure: a name, then how it is to be read.
    """
    end = caption.find(". ")
    named = caption if end < 0 else caption[: end + 1]
    return named.split("; ", 1)[0].rstrip(".")
