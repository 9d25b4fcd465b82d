"""Put a report together: headline and sections as a `Document`, from results, figures and the protocol."""

from __future__ import annotations

from collections.abc import Mapping

from outcomes.errors import ReportError
from reports import narrative, remarks
from reports.context import ReportContext
from reports.document import Document, Figure, Headline, Section
from reports.harm_words import harm_line
from reports.sections import SECTIONS
from reports.sections.parts import Parts, Provenance


def compose(
    context: ReportContext,
    figures: Mapping[str, Figure],
    provenance: Provenance = (),
    notes: tuple[str, ...] = (),
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

    Raises
    ------
    ReportError
        Where ``[report] sections`` names a section that does not exist.
    """
    wanted = _wanted(context)
    parts = Parts(context, figures, provenance, notes, wanted)
    sections = []
    for key in wanted:
        _, build = SECTIONS[key]
        blocks = tuple(build(parts))
        if blocks:
            sections.append(Section(key, _title(context, key), blocks))
    return Document(_headline(parts), tuple(sections), narrative.stamp(context))


def _wanted(context: ReportContext) -> tuple[str, ...]:
    """Return the sections asked for, all of them by default."""
    wanted = context.protocol.report.sections
    keys = tuple(SECTIONS) if wanted == "default" else (wanted,) if isinstance(wanted, str) else tuple(wanted)
    unknown = [key for key in keys if key not in SECTIONS]
    if unknown:
        raise ReportError(
            "the report has no such section",
            expected='"default", or a list of ' + ", ".join(SECTIONS),
            got=", ".join(unknown),
            where="trial.toml, [report] sections",
        )
    return keys


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
                    narrative.adjustment(context),
                    narrative.fallback_clause(context),
                    remarks.spread_warning(context),
                    narrative.superiority_note(context),
                    context.spelled([protocol.title, *answer, harm, may_not_claim]),
                ],
            )
        ),
    )
