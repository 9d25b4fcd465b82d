"""Citations in texts: written ``[@laska]`` or ``[@laska; @holm]``, numbered in the order of their first use.

Texts are composed with such markers, since their numbers depend on what else the report holds. A marker whose keys
are all known is a citation; anything else in brackets is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from reports.bibliography.entries import ENTRIES
from reports.bibliography.entry import Entry
from reports.context import ReportContext
from reports.document import Block, BulletList, Definitions, Folded, Paragraph, Section
from reports.tables.value import Table

_MARKER = re.compile(r"(\s?)\[(@[a-z0-9-]+(?:; @[a-z0-9-]+)*)\]")

Library = Mapping[str, Entry]


def library(context: ReportContext) -> dict[str, Entry]:
    """Return every work that the report can cite: the product's, the trial's instruments, and the programs."""
    found = dict(ENTRIES)
    for analysis in context.protocol.analyses:
        instrument = context.facts(analysis).instrument
        if instrument is not None and instrument.source:
            key = instrument_key(instrument.name)
            found[key] = Entry(key, instrument.title, note=instrument.source, kind="note")
    version = context.results.software.get("tandem", "")
    found["tandem"] = Entry(
        "tandem",
        "tandem: the statistics of combination therapy",
        organisation="The tandem developers",
        note=f"Version {version}" if version else "",
        kind="software",
    )
    return found


def instrument_key(name: str) -> str:
    """Return the key of an instrument's source."""
    return "-".join(["instrument", *re.findall(r"[a-z0-9]+", name.lower())])


def cite(*keys: str) -> str:
    """Return the marker that cites some works, with the blank before it; empty for none."""
    return f" [{'; '.join(f'@{key}' for key in dict.fromkeys(keys))}]" if keys else ""


def cited_keys(sections: Iterable[Section], works: Library) -> tuple[str, ...]:
    """Return the keys that sections cite, in the order of their first use."""
    keys: dict[str, None] = {}
    for section in sections:
        for text in _texts(section.blocks):
            keys |= dict.fromkeys(_cited(text, works))
    return tuple(keys)


def keys_of(texts: Iterable[str], works: Library) -> tuple[str, ...]:
    """Return the keys that texts cite, in the order of their first use."""
    return tuple(dict.fromkeys(key for text in texts for key in _cited(text, works)))


def resolved(sections: Iterable[Section], keys: tuple[str, ...], works: Library) -> tuple[Section, ...]:
    """Return sections whose citations are numbers, "[3]"; where no work has a number they are left out."""
    numbers = {key: place for place, key in enumerate(keys, start=1)}
    return tuple(
        replace(section, blocks=_rewritten(section.blocks, lambda text: numbered(text, numbers, works)))
        for section in sections
    )


def numbered(text: str, numbers: Mapping[str, int], works: Library) -> str:
    """Return a text whose citations are numbers; those without a number are left out."""

    def number(found: re.Match[str]) -> str:
        keys = _keys(found)
        if not all(key in works for key in keys):
            return found[0]
        places = sorted({numbers[key] for key in keys if key in numbers})
        return f"{found[1]}[{_ranges(places)}]" if places else ""

    return _MARKER.sub(number, text)


def without_citations(text: str, works: Library = ENTRIES) -> str:
    """Return a text without its citations."""
    return numbered(text, {}, works)


def _cited(text: str, works: Library) -> Iterator[str]:
    for found in _MARKER.finditer(text):
        keys = _keys(found)
        if all(key in works for key in keys):
            yield from keys


def _keys(found: re.Match[str]) -> list[str]:
    return [part.removeprefix("@") for part in found[2].split("; ")]


def _ranges(places: list[int]) -> str:
    """Return "3", "3, 5", "3-5" for three in a row."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    words = [
        f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(str(place) for place in run) for run in runs
    ]
    return ", ".join(words)


def _texts(blocks: Iterable[Block]) -> Iterator[str]:
    """Yield the texts that may cite, in the order in which they are read."""
    for block in blocks:
        if isinstance(block, Paragraph):
            yield block.text
        elif isinstance(block, BulletList):
            yield from block.items
        elif isinstance(block, Definitions):
            yield from (text for _, text in block.items)
        elif isinstance(block, Table):
            yield from block.remarks
            yield from (text for _, text in block.footnotes)
        elif isinstance(block, Folded):
            yield from _texts(block.blocks)


def _rewritten(blocks: Iterable[Block], rewrite: Callable[[str], str]) -> tuple[Block, ...]:
    return tuple(_block(block, rewrite) for block in blocks)


def _block(block: Block, rewrite: Callable[[str], str]) -> Block:
    if isinstance(block, Paragraph):
        return replace(block, text=rewrite(block.text))
    if isinstance(block, BulletList):
        return replace(block, items=tuple(rewrite(item) for item in block.items))
    if isinstance(block, Definitions):
        return replace(block, items=tuple((term, rewrite(text)) for term, text in block.items))
    if isinstance(block, Table):
        return replace(block, notes={key: rewrite(text) for key, text in block.notes.items()})
    if isinstance(block, Folded):
        return replace(block, blocks=_rewritten(block.blocks, rewrite))
    return block
