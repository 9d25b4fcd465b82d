"""Which sections a report holds, in which order and under which titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from outcomes.errors import ReportError
from outcomes.nearest import unknown
from outcomes.protocol import ReportOptions, SectionChoice
from reports.document import Section
from reports.sections import SECTIONS

Wanted: TypeAlias = "SectionChoice | Section"
"""A section of tandem's by its key, perhaps with another title, or a finished one of the user's own."""


def planned_sections(options: ReportOptions) -> tuple[SectionChoice, ...]:
    """Return the sections that the options ask for, in order: all by default, and in any case without `omit`.

    Raises
    ------
    ReportError
        Where a section does not exist; the nearest that does is named.
    """
    problems = tuple(section_problems(options))
    if problems:
        raise ReportError(
            "the report has no such section", where="[report], or report.toml", got="; ".join(problems)
        )
    chosen = options.sections
    if chosen == "default":
        chosen = tuple(SectionChoice(key=key) for key in SECTIONS)
    return tuple(choice for choice in chosen if choice.key not in options.omit)


def section_problems(options: ReportOptions) -> list[str]:
    """Return one line for each section of the options that does not exist."""
    named = [] if options.sections == "default" else [(choice.key, "sections") for choice in options.sections]
    named += [(key, "omit") for key in options.omit]
    return [
        f"key {place!r}: {unknown('section', key, SECTIONS)}" for key, place in named if key not in SECTIONS
    ]


def checked_sections(wanted: Sequence[Wanted]) -> tuple[Wanted, ...]:
    """Return the sections as they are, each there is and none twice.

    Raises
    ------
    ReportError
        Where one does not exist, or two have the same key.
    """
    keys = [one.key for one in wanted]
    for one in wanted:
        if isinstance(one, SectionChoice) and one.key not in SECTIONS:
            raise ReportError("the report has no such section", got=unknown("section", one.key, SECTIONS))
        if keys.count(one.key) > 1:
            raise ReportError(
                "a section stands twice in the report",
                expected="each section once",
                got=one.key,
                hint="give a section of your own another key; add a section of tandem's once",
            )
    return tuple(wanted)
