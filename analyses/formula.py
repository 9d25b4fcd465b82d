"""Mixed-model formulas: ``"y ~ x + us(visit | patient) + (1 | patient/lesion)"`` taken apart.

formulaic reads the fixed part and remembers its encoding. The covariance terms (``us(...)``, ``us(...) @ us(...)``)
and the random terms (``(... | ...)``) are split off here first, minding parentheses, quotes and backticks, since
formulaic cannot read them.

Grammar beside formulaic's own::

    structure(coordinate | subject)            residual covariance over the coordinate within the subject
    structure(coordinate | group / subject)    its own covariance for each level of group
    structure(a | subject) @ structure(b)      direct (Kronecker) product over a x b within the subject
    (terms | subject)   (terms || subject)     random effects, correlated or not
    (terms | a/b)                              short for (terms | a) + (terms | a:b)
    a:b as a subject                           b within a
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from outcomes.errors import FormulaError

STRUCTURES = ("us", "cs", "csh", "ar1", "ar1h", "toep", "toeph", "ad", "adh", "sp_exp")
"""Names of the residual covariance structures that a formula may use."""

_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "`\"'"
_STRUCTURE_CALL = re.compile(rf"^(?P<name>{'|'.join(STRUCTURES)})\s*\((?P<inside>.*)\)$", re.DOTALL)
_NAME = re.compile(r"^(?:[^\W\d][\w.]*|`[^`]+`)$")


@dataclass(frozen=True, slots=True)
class CovarianceTerm:
    """A residual covariance structure over one coordinate.

    Attributes
    ----------
    structure
        One of `STRUCTURES`.
    coordinate
        Column whose levels (or numbers, for ``sp_exp``) index the repeats.
    """

    structure: str
    coordinate: str


@dataclass(frozen=True, slots=True)
class ResidualTerm:
    """The residual covariance of a model: one structure, or a direct product of several.

    Attributes
    ----------
    factors
        The structures, in the order written; more than one makes a direct product.
    subject
        Columns that together identify the unit within which repeats are correlated.
    group
        Column whose levels have a covariance each, or None.
    text
        The term as written.
    """

    factors: tuple[CovarianceTerm, ...]
    subject: tuple[str, ...]
    group: str | None
    text: str


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """Random effects of one subject level.

    Attributes
    ----------
    design
        formulaic formula of the effects' columns, such as ``1`` or ``1 + week``.
    subject
        Columns that together identify the unit which has the effects.
    correlated
        False for ``||``.
    text
        The term as written (after a nested subject has been expanded).
    """

    design: str
    subject: tuple[str, ...]
    correlated: bool
    text: str


@dataclass(frozen=True, slots=True)
class MixedFormula:
    """A mixed-model formula in its parts.

    Attributes
    ----------
    text
        The formula as written.
    fixed
        The part that formulaic reads, response included.
    response
        Left-hand side as written.
    residual
        Residual covariance, or None for independent errors of one variance.
    random
        Random terms, outermost subject first as written.
    """

    text: str
    fixed: str
    response: str
    residual: ResidualTerm | None
    random: tuple[RandomTerm, ...]

    @property
    def subjects(self) -> tuple[tuple[str, ...], ...]:
        """Subject of every term, without repeats."""
        found = [term.subject for term in self.random]
        if self.residual is not None:
            found.append(self.residual.subject)
        return tuple(dict.fromkeys(found))

    @property
    def grouping_variables(self) -> tuple[str, ...]:
        """Columns that the covariance and random terms name outside their design formulas."""
        names = [name for subject in self.subjects for name in subject]
        if self.residual is not None:
            names += [factor.coordinate for factor in self.residual.factors]
            names += [self.residual.group] if self.residual.group else []
        return tuple(dict.fromkeys(names))


@lru_cache(maxsize=256)
def parse_formula(text: str) -> MixedFormula:
    """Take a mixed-model formula apart.

    Parameters
    ----------
    text
        The formula, such as ``"change ~ baseline + arm * visit + us(visit | patient)"``.

    Returns
    -------
    MixedFormula

    Raises
    ------
    FormulaError
        Where the formula is not of the grammar in this module's docstring.
    """
    sides = _split(text, "~")
    if len(sides) != 2 or not sides[0].strip() or not sides[1].strip():
        raise FormulaError(
            "the formula needs a response and terms",
            expected="one '~' with something on both sides, such as 'change ~ arm * visit + us(visit | patient)'",
            got=repr(text),
        )
    response = sides[0].strip()
    fixed: list[str] = []
    residuals: list[ResidualTerm] = []
    random: list[RandomTerm] = []
    for sign, term in _signed_terms(sides[1]):
        if _is_residual(term):
            _must_be_added(sign, term, text)
            residuals.append(_residual_term(term, text))
        elif _is_random(term):
            _must_be_added(sign, term, text)
            random.extend(_random_terms(term, text))
        else:
            fixed.append(f"{sign} {term}")
    if len(residuals) > 1:
        raise FormulaError(
            "a model has one residual covariance",
            expected="a single covariance term; join two repeats with '@'",
            got=", ".join(term.text for term in residuals),
            where=repr(text),
        )
    _no_random_twice(random, text)
    rhs = " ".join(fixed).removeprefix("+ ") or "1"
    return MixedFormula(
        text.strip(), f"{response} ~ {rhs}", response, residuals[0] if residuals else None, tuple(random)
    )


def _split(text: str, separator: str) -> list[str]:
    """Split at a separator of one or two characters wherever it stands outside brackets and quotes."""
    parts, depth, quote, start, at = [], 0, "", 0, 0
    while at < len(text):
        character = text[at]
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
            if depth < 0:
                raise FormulaError(
                    "unbalanced brackets in the formula", expected="an opening one first", got=repr(text)
                )
        elif depth == 0 and text.startswith(separator, at):
            parts.append(text[start:at])
            at += len(separator)
            start = at
            continue
        at += 1
    if depth or quote:
        missing = f"a closing {quote}" if quote else "a closing bracket"
        raise FormulaError("unbalanced brackets or quotes in the formula", expected=missing, got=repr(text))
    return [*parts, text[start:]]


def _signed_terms(rhs: str) -> list[tuple[str, str]]:
    """Top-level terms of a right-hand side, each with the sign before it."""
    terms: list[tuple[str, str]] = []
    for plus, chunk in enumerate(_split(rhs, "+")):
        for minus, piece in enumerate(_split(chunk, "-")):
            term = piece.strip()
            if not term:
                if plus == 0 and minus == 0:
                    continue  # a leading sign, as in "y ~ -1 + x"
                raise FormulaError(
                    "a term is missing in the formula", expected="a term after each sign", got=repr(rhs)
                )
            terms.append(("-" if minus else "+", term))
    return terms


def _is_residual(term: str) -> bool:
    return len(_split(term, "@")) > 1 or (_STRUCTURE_CALL.match(term) is not None and "|" in term)


def _is_random(term: str) -> bool:
    return term.startswith("(") and term.endswith(")") and len(_split(term[1:-1], "|")) > 1


def _must_be_added(sign: str, term: str, text: str) -> None:
    if sign == "-":
        raise FormulaError(
            "a covariance or random term cannot be subtracted",
            expected=f"+ {term}",
            got=f"- {term}",
            where=repr(text),
        )


def _name(text: str, role: str, whole: str) -> str:
    name = text.strip()
    if not _NAME.match(name):
        raise FormulaError(
            f"the {role} must be a column's name",
            expected="a name, in backticks where it has blanks",
            got=repr(name),
            where=repr(whole),
        )
    return name.strip("`")


def _subject(text: str, whole: str) -> tuple[str, ...]:
    return tuple(_name(part, "subject", whole) for part in _split(text, ":"))


def _residual_term(term: str, whole: str) -> ResidualTerm:
    """``us(visit | arm / patient)`` or ``us(arm | patient) @ ar1(visit)``; here the slash is group / subject."""
    factors: list[CovarianceTerm] = []
    subject: tuple[str, ...] = ()
    group: str | None = None
    for position, part in enumerate(_split(term, "@")):
        call = _STRUCTURE_CALL.match(part.strip())
        if call is None:
            raise FormulaError(
                "not a covariance structure",
                expected=f"one of {', '.join(STRUCTURES)}, such as us(visit | patient)",
                got=part.strip(),
                where=repr(whole),
            )
        sides = _split(call["inside"], "|")
        if len(sides) > 2 or (len(sides) == 1 and position == 0):
            raise FormulaError(
                "a covariance structure needs its coordinate and its subject",
                expected=f"{call['name']}(visit | patient)",
                got=part.strip(),
                where=repr(whole),
            )
        factors.append(CovarianceTerm(call["name"], _name(sides[0], "coordinate", whole)))
        if len(sides) == 2:
            slash = _split(sides[1], "/")
            if len(slash) > 2:
                raise FormulaError(
                    "too many slashes in a covariance structure",
                    expected="group / subject",
                    got=sides[1].strip(),
                    where=repr(whole),
                )
            found = _subject(slash[-1], whole)
            if subject and found != subject:
                raise FormulaError(
                    "the two sides of '@' must have the same subject",
                    expected=":".join(subject),
                    got=":".join(found),
                    where=repr(whole),
                )
            subject = found
            group = _name(slash[0], "group", whole) if len(slash) == 2 else group
    if group is not None and group in subject:
        raise FormulaError(
            "the group of a covariance cannot be its subject",
            expected="a column with few levels, such as arm",
            got=group,
            where=repr(whole),
        )
    return ResidualTerm(tuple(factors), subject, group, term)


def _random_terms(term: str, whole: str) -> list[RandomTerm]:
    """``(1 + x | a/b)``; here the slash nests: one term for a, one for b within a."""
    inside = term[1:-1]
    correlated = len(_split(inside, "||")) == 1
    sides = _split(inside, "|" if correlated else "||")
    if len(sides) != 2 or not sides[0].strip() or not sides[1].strip():
        raise FormulaError(
            "a random term needs its effects and its subject",
            expected="(1 | patient), (1 + week | patient) or (1 | patient/lesion)",
            got=term,
            where=repr(whole),
        )
    design = sides[0].strip()
    levels = [_subject(part, whole) for part in _split(sides[1], "/")]
    bar = "|" if correlated else "||"
    found: list[RandomTerm] = []
    subject: tuple[str, ...] = ()
    for level in levels:
        subject = (*subject, *level)
        found.append(RandomTerm(design, subject, correlated, f"({design} {bar} {':'.join(subject)})"))
    return found


def _no_random_twice(terms: list[RandomTerm], whole: str) -> None:
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for term in terms:
        key = (term.design.replace(" ", ""), term.subject)
        if key in seen:
            raise FormulaError(
                "a random term stands twice", expected="each term once", got=term.text, where=repr(whole)
            )
        seen.add(key)
