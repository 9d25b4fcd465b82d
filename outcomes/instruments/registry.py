"""All instruments by name, with errors that help to find the right one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from outcomes.errors import ScoringError
from outcomes.instruments import (
    acne_scars,
    device,
    global_assessment,
    posas,
    quality_of_life,
    repigmentation,
    scars,
    vancouver,
    vitiligo,
    vitiligo_activity,
)
from outcomes.instruments.instrument import Instrument

_FAMILIES = (
    repigmentation,
    vitiligo,
    vitiligo_activity,
    posas,
    vancouver,
    scars,
    acne_scars,
    global_assessment,
    quality_of_life,
    device,
)

# Known by name, and left out on purpose: scoring them from memory would make numbers that only look right.
WITHHELD: Mapping[str, str] = MappingProxyType(
    {
        "posas-3.0": "POSAS 3.0 (2023, doi 10.1007/s11136-022-03244-6) was rebuilt from 21 characteristics "
        "with generic and linear versions. Its items and scoring could not be read, and it is never mixed "
        "with POSAS 2.0 (posas-observer, posas-patient).",
        "mvss-tbsa": "The modified Vancouver Scar Scale linked to body surface (Gankande 2013): only its "
        "reliability could be read (intraclass correlation .65 to .73 for the best area, .85 to .88 for the "
        "worst), not its scoring.",
        "detroit-keloid-scale": "The items of the Detroit Keloid Scale could not be obtained.",
    }
)

_SHORT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "posas-3": "posas-3.0",
        "posas3": "posas-3.0",
        "mvss": "mvss-tbsa",
        "dks": "detroit-keloid-scale",
        "detroit": "detroit-keloid-scale",
        "mss": "manchester",
        "gb": "goodman-baron",
        "pga": "iga",
        "vasi-total": "t-vasi",
        "vacag": "depigmented-area",
        "planimetry": "depigmented-area",
    }
)


def _index() -> Mapping[str, Instrument]:
    found: dict[str, Instrument] = {}
    for module in _FAMILIES:
        for instrument in module.INSTRUMENTS:
            if instrument.name in found:
                raise AssertionError(f"two instruments are named {instrument.name!r}")
            found[instrument.name] = instrument
    return MappingProxyType(found)


INSTRUMENTS: Mapping[str, Instrument] = _index()


def get_instrument(name: str) -> Instrument:
    """The instrument of exactly that name.

    Parameters
    ----------
    name
        A name of `list_instruments`, e.g. ``"vasi"`` or ``"vss-nedelec"``.

    Raises
    ------
    ScoringError
        Where no instrument has that name. A name that several variants share (``"vss"``, ``"posas"``) is an
        error that lists them, since their totals must not be mixed; a misspelt one names the nearest; one
        left out on purpose says why.

    Examples
    --------
    >>> get_instrument("vss-sullivan").maximum
    13
    """
    if name in INSTRUMENTS:
        return INSTRUMENTS[name]
    plain = "-".join(str(name).strip().lower().replace("_", " ").split())
    plain = _SHORT_NAMES.get(plain, plain)
    if plain in WITHHELD:
        raise ScoringError(
            f"the instrument {name!r} is known, and not scored here",
            expected="an instrument whose scoring could be read",
            got=repr(name),
            hint=f"{WITHHELD[plain]} Give its published total as a raw column with minimum, maximum and "
            "direction.",
        )
    variants = variants_of(plain)
    if variants:
        raise ScoringError(
            f"{name!r} names several instruments, whose totals must not be mixed: say which",
            expected="one of " + ", ".join(f"{found.name} ({found.title})" for found in variants),
            got=repr(name),
            hint="`tandem instruments NAME` explains one of them",
        )
    near = [plain] if plain in INSTRUMENTS else _nearest(plain)
    raise ScoringError(
        f"unknown instrument {name!r}" + (f"; nearest known: {near[0]!r}" if near else ""),
        expected="one of " + ", ".join(near or INSTRUMENTS),
        got=repr(name),
        hint="`tandem instruments` lists all of them",
    )


def variants_of(stem: str) -> tuple[Instrument, ...]:
    """The instruments whose names continue a stem that is no name itself: ``"vss"``, the Vancouver forms."""
    if stem in INSTRUMENTS:
        return ()
    return tuple(found for name, found in INSTRUMENTS.items() if name.startswith(f"{stem}-"))


def _nearest(name: str) -> list[str]:
    return difflib.get_close_matches(name, INSTRUMENTS, n=3, cutoff=0.5)


def list_instruments() -> pd.DataFrame:
    """All instruments, one row each, by family.

    Returns
    -------
    DataFrame
        Columns: name, title, family, condition, level, variant, version, kind, items (number of items that
        enter the total), minimum, maximum, step (NaN where the total is continuous), higher_is_better (None
        where it has no direction of its own), unit, minimal_important_difference (NaN where none is known),
        missing_rule, verified, tag, source.
    """
    rows = [
        {
            "name": found.name,
            "title": found.title,
            "family": found.family,
            "condition": found.condition,
            "level": found.level,
            "variant": found.variant,
            "version": found.version,
            "kind": found.kind,
            "items": len(found.scored_items),
            "minimum": float(found.minimum),
            "maximum": float(found.maximum),
            "step": float("nan") if found.step is None else float(found.step),
            "higher_is_better": found.higher_is_better,
            "unit": found.unit,
            "minimal_important_difference": float("nan")
            if found.minimal_important_difference is None
            else float(found.minimal_important_difference.value),
            "missing_rule": found.missing_rule.name,
            "verified": found.verified,
            "tag": found.tag,
            "source": found.source,
        }
        for found in INSTRUMENTS.values()
    ]
    return pd.DataFrame(rows)
