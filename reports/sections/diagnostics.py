"""Whether the model fits."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block, Paragraph
from reports.sections.parts import Parts


def diagnostics(parts: Parts) -> Iterator[Block]:
    """Yield what the residuals say of the model."""
    context = parts.context
    name = f"{context.primary.name}/diagnostics"
    if not context.results.has(name, "largest"):
        return
    formatter, results = context.formatter, context.results
    large = results.number(name, "beyond_3", arm="", visit="")
    total = results.number(name, "n", arm="", visit="")
    count = "none" if not large else formatter.whole(large)
    yield Paragraph(
        f"Of {formatter.whole(total)} residuals {count} lie more than 3 standard deviations from zero; the largest is "
        f"{formatter.number(results.number(name, 'largest'), 1)}. Skewness "
        f"{formatter.number(results.number(name, 'skewness'), 2)}, excess kurtosis "
        f"{formatter.number(results.number(name, 'excess_kurtosis'), 2)} (0 and 0 for normal residuals).",
        see=("figure:residuals",),
    )
    yield from parts.figure("residuals")
