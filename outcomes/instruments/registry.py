"""All instruments by name, with errors that help to find the right one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from outcomes.errors import ScoringError
from outcomes.instruments import posas, repigmentation
from outcomes.instruments.instrument import Instrument

_FAMILIES = (repigmentation, posas)


def _index() -> Mapping[str, Instrument]:
    found: dict[str, Instrument] = {}
    for module in _FAMILIES:
        for instrument in module.INSTRUMENTS:
            if instrument.name in found:
                raise AssertionError(f"two instruments are named {instrument.name!r}")
            found[instrument.name] = instrument
    return MappingProxyType(found)


_BY_NAME = _index()


def get_instrument(name: str) -> Instrument:
    """The instrument of that name.

    Raises
    ------
    ScoringError
        Where no instrument has that name: with the nearest names.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name.lower(), _BY_NAME, n=3, cutoff=0.5)
    raise ScoringError(
        f"unknown instrument {name!r}",
        expected="one of " + ", ".join(near or sorted(_BY_NAME)),
        got=repr(name),
        hint="`tandem instruments` lists all of them",
    )


def list_instruments() -> pd.DataFrame:
    """All instruments, one row each."""
    return pd.DataFrame({"name": list(_BY_NAME)})
