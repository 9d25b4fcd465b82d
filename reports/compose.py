"""Put a report together: headline and sections as a `Document`, from results, figures and the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reports import adjustment_words, narrative, remarks
from reports.bibliography import cited_keys, library, resolved
from reports.context import ReportContext
from reports.document import Document, Figure, Headline, Section
from reports.harm_words import harm_line
from reports.section_choice import Wanted, checked_sections, planned_sections
from reports.sections import LATE, SECTIONS
from reports.sections.parts import Parts, Provenance


def compose(
    context: ReportContext,
    figures: Mapping[str, Figure],
    provenance: Provenance = (),
    notes: tuple[str, ...] = (),
    wanted: Sequence[Wanted] | None = None,
) -> Document:
    """Return the whole report as a value.

    Parameters
    ----------
    context
        Protocol and results.
    figures
        By name, as `reports.drawing.draw_figures` returns them.
    provenance
        (what, value) pairs: the command, the inputs' hashes, versions.
    notes
        What the protocol kept in or left out of the files, counted.
    wanted
        Its sections in order; by default those that the protocol's [report] asks for.

    Raises
    ------
    ReportError
        Where a section does not exist, or stands twice.
    """
    chosen = checked_sections(planned_sections(context.protocol.report) if wanted is None else wanted)
    parts = Parts(context, figures, provenance, notes, tuple(one.key for one in chosen))
    return Document(_headline(parts), _sections(parts, chosen), narrative.stamp(context))


def _sections(parts: Parts, chosen: Sequence[Wanted]) -> tuple[Section, ...]:
    """Build the sections, those last that speak of the others, and number the citations."""
    own = {one.key: one for one in chosen if isinstance(one, Section)}
    titles = {one.key: one.title for one in chosen if one.title}
    built: dict[str, Section] = {}
    first = [key for key in parts.sections if key not in LATE]
    late = [key for key in LATE if key in parts.sections]
    # The late ones twice: each may refer to the other, and a section's number counts those before it.
    for key in (*first, *late, *late):
        seen = tuple(built[one] for one in parts.sections if one in built) if key in LATE else ()
        blocks = own[key].blocks if key in own else tuple(SECTIONS[key][1](replace(parts, built=seen)))
        built.pop(key, None)
        if blocks:
            built[key] = Section(key, titles.get(key) or _title(parts.context, key), blocks)
    sections = tuple(built[key] for key in parts.sections if key in built)
    works = library(parts.context)
    keys = cited_keys(sections, works) if "references" in built else ()
    return resolved(sections, keys, works)


def _title(context: ReportContext, key: str) -> str:
    """Return a section's title, as far as it depends on the trial."""
    if key == "flow" and not context.protocol.has_lesions:
        return "Flow of patients"
    if key == "outcome" and len(context.protocol.visits) == 1:
        return "The outcome"
    return SECTIONS[key][0]


def _headline(parts: Parts) -> Headline:
    context = parts.context
    protocol = context.protocol
    identifier = " · ".join(text for text in (protocol.id, protocol.registration) if text)
    answer = narrative.answer(context)
    harm, may_not_claim = harm_line(context), narrative.may_not_claim(context)
    return Headline(
        identifier=identifier,
        title=protocol.title,
        facts=narrative.facts_line(context),
        question=narrative.question(context),
        answer=answer,
        figure=parts.figures.get("verdict"),
        harm=harm,
        may_not_claim=may_not_claim,
        notes=" ".join(
            filter(
                None,
                [
                    adjustment_words.adjustment(context),
                    adjustment_words.fallback_clause(context),
                    remarks.spread_warning(context),
                    narrative.superiority_note(context),
                    context.spelled([protocol.title, *answer, harm, may_not_claim]),
                ],
            )
        ),
    )
