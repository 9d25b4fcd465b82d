"""The items of reporting guidelines (CONSORT for trials within persons, CONSORT 2025), and where a report has each.

An item is found in what the report holds, not in what it could hold: a section that was left out, a key that the
protocol does not give, or harms that were not provided make it "not provided".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reports.document import Block, FigureBlock, Folded, Section
from reports.sections.parts import Parts
from reports.tables.cells import table_name
from reports.tables.value import Table

NOT_PROVIDED = "not provided"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item is.

    Parameters
    ----------
    target
        Section, table or figure, as in `Document.labels`; empty where it has none, as the first page has not.
    text
        Stands in the place of the target's label where there is no target.
    remark
        What of the item is missing, or where else it is, in words.
    """

    target: str = ""
    text: str = ""
    remark: str = ""


Finder = Callable[[Parts], Place | None]


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a guideline.

    Parameters
    ----------
    number
        As the guideline has it.
    topic
        The heading that it stands under.
    asks
        What it asks for.
    find
        Where the report has it; None where it has not.
    paraphrase
        Whether the wording is ours and not the guideline's.
    """

    number: str
    topic: str
    asks: str
    find: Finder
    paraphrase: bool = True


def section_of(parts: Parts, key: str) -> Section | None:
    """Return a section of the report, or None where it was left out."""
    return next((one for one in parts.built if one.key == key), None)


def holds_table(parts: Parts, name: str) -> bool:
    """Whether the report holds a table or listing."""
    return any(table.name == name for section in parts.built for table in _tables(section.blocks))


def holds_figure(parts: Parts, name: str) -> bool:
    """Whether the report holds a figure outside its first page."""
    blocks = (block for section in parts.built for block in section.blocks)
    return any(isinstance(block, FigureBlock) and block.figure.name == name for block in blocks)


def _tables(blocks: tuple[Block, ...]) -> Iterator[Table]:
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Folded):
            yield from _tables(block.blocks)


def nowhere(parts: Parts) -> Place | None:
    """Nowhere: what no protocol key and no data can give."""
    return None


def section(key: str, remark: str = "") -> Finder:
    """In a section, where the report has it."""
    return lambda parts: Place(f"section:{key}", remark=remark) if section_of(parts, key) else None


def conduct(*keys: str, remark: str = "") -> Finder:
    """Among what the protocol says of the conduct, where it gives all of these."""

    def find(parts: Parts) -> Place | None:
        given = [getattr(parts.context.protocol.conduct, key) for key in keys]
        return section("referee", remark)(parts) if all(given) else None

    return find


def table(name: str, remark: str = "") -> Finder:
    """In a table, where the report has it."""
    return lambda parts: Place(f"table:{name}", remark=remark) if holds_table(parts, name) else None


def first_of(*finders: Finder) -> Finder:
    """In the first of several places that there is."""

    def find(parts: Parts) -> Place | None:
        return next((place for place in (one(parts) for one in finders) if place is not None), None)

    return find


DESIGN_WORDS = (
    "within-p",
    "within p",
    "split-",
    "intraindividual",
    "intra-individual",
    "half-side",
    "bilateral",
)
"""What names a trial within persons in its title."""


def title_names_within_person(parts: Parts) -> Place | None:
    """On the first page, where the title names the design."""
    title = parts.context.protocol.title.casefold()
    if not any(words in title for words in DESIGN_WORDS):
        return None
    remark = "" if "randomi" in title else "it does not say that the trial is randomised"
    return Place(text="First page, title", remark=remark)


def title_names_randomised(parts: Parts) -> Place | None:
    """On the first page, where the title says that the trial is randomised."""
    title = parts.context.protocol.title.casefold()
    return Place(text="First page, title") if "randomi" in title else None


def question(parts: Parts) -> Place:
    """On the first page, which asks the trial's question."""
    return Place(text="First page, question")


def question_of_benefit(parts: Parts) -> Place:
    """On the first page, which asks about benefit alone."""
    return Place(text="First page, question", remark="benefits; no hypothesis on harms is stated")


def registration(parts: Parts) -> Place | None:
    """On the first page and in what a referee asks for, where the protocol gives it."""
    if not parts.context.protocol.registration:
        return None
    return section("referee")(parts) or Place(text="First page")


def outcomes(parts: Parts) -> Place | None:
    """In the methods, which define the primary outcome and say whose it is."""
    return section("methods")(parts)


def statistics(parts: Parts) -> Place | None:
    """In the methods, which name model, covariance and contrasts."""
    return section("methods")(parts)


def additional_methods(parts: Parts) -> Place | None:
    """In the methods, where there are analyses beside the primary one."""
    context = parts.context
    variants = context.results.has(f"{context.primary.name}/sensitivity", "min_test_p")
    return section("methods")(parts) if variants or len(context.analyses) > 1 else None


def missing_methods(parts: Parts) -> Place | None:
    """In the methods; where nothing is missing, in the table that shows so."""
    if _any_missing(parts):
        return section("methods")(parts)
    return table("missing", "no value of the primary outcome is missing")(parts)


def _any_missing(parts: Parts) -> bool:
    name = f"{parts.context.primary.name}/observed"
    return any(row.value for row in parts.context.results.select(analysis=name, statistic="missing", arm=""))


def flow(parts: Parts) -> Place | None:
    """In the flow diagram, or its table."""
    if holds_figure(parts, "flow"):
        return Place("figure:flow")
    return table("flow")(parts)


def losses(parts: Parts) -> Place | None:
    """Where losses are counted; reasons stand only where a population has one."""
    remark = "losses are counted; their reasons are not provided" if _any_missing(parts) else ""
    return first_of(table("missing", remark), table("flow", remark))(parts)


def baseline(parts: Parts) -> Place | None:
    """In the tables of patients and, in a trial within persons, of lesions."""
    people, sites = (holds_table(parts, f"baseline-{whom}") for whom in ("patients", "lesions"))
    if not people and not sites:
        return None
    name = "table:baseline-patients" if people else "table:baseline-lesions"
    if not parts.context.protocol.is_within_patient or (people and sites):
        return Place(name, remark="lesions in the table after it" if people and sites else "")
    return Place(name, remark=f"those of {'sites' if people else 'persons'} are not provided")


def analysed(parts: Parts) -> Place | None:
    """Where both numbers stand beside the primary estimates, or in the flow."""
    name = table_name("means", parts.context.primary.name)
    return first_of(table(name), table("flow"))(parts)


def estimates(parts: Parts) -> Place | None:
    """In the table of the verdict; of a trial within persons with the correlation between its sites."""
    context = parts.context
    name = table_name("verdict", context.primary.name)
    if not holds_table(parts, name):
        return None
    if not context.protocol.is_within_patient:
        return Place(f"table:{name}")
    if context.results.has(f"{context.primary.name}/correlation", "icc") and section_of(parts, "naive"):
        return Place(f"table:{name}", remark="the correlation between sites stands beside the naive analysis")
    if holds_figure(parts, "grade-flow"):
        return Place(f"table:{name}", remark="grades of pairs stand in a figure")
    return Place(f"table:{name}", remark="the correlation between sites is not provided")


def binary_effects(parts: Parts) -> Place | None:
    """In the table of risk differences and ratios, where an outcome is binary."""
    context = parts.context
    binary = [one for one in context.analyses if context.facts(one).scale == "binary"]
    if not binary:
        return Place(text="does not apply: no outcome is binary")
    names = [table_name("risks", one.name) for one in binary]
    found = next((name for name in names if holds_table(parts, name)), None)
    if found is not None:
        return Place(f"table:{found}")
    verdicts = [table_name("verdict", one.name) for one in binary]
    shown = next((name for name in verdicts if holds_table(parts, name)), None)
    return None if shown is None else Place(f"table:{shown}", remark="absolute; relative is not provided")


def harms(parts: Parts) -> Place | None:
    """In the table of harms; of a trial within persons by person and by site."""
    name = next(
        (one for one in ("harms-overview", "harms", "harms-patients") if holds_table(parts, one)), None
    )
    return None if name is None else Place(f"table:{name}")


def ancillary(parts: Parts) -> Place | None:
    """In the sections beside the primary answer."""
    given = parts.context.protocol.conduct.prespecified
    remark = "" if given else "which of them were prespecified is not provided"
    places = (section(key, remark) for key in ("subgroups", "sensitivity", "scales"))
    return first_of(*places)(parts)


def interpretation(parts: Parts) -> Place | None:
    """Where the claims stand; other evidence is the authors' to weigh."""
    return section("verdict", "what may be claimed; other evidence is not considered")(parts)


def delivered(parts: Parts) -> Place | None:
    """In the table of what was delivered."""
    return table("exposure")(parts)


def who_is_analysed(parts: Parts) -> Place | None:
    """In the methods, which name the population."""
    return section("methods")(parts)
