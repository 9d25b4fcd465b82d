"""Numbers from published trials as tables, each with its source and with what of it was verified."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from outcomes.errors import TandemError
from outcomes.nearest import unknown

LICENCE = "CC0-1.0"

_FOLDER = resources.files("outcomes.published") / "data"


def list_published() -> pd.DataFrame:
    """The published tables, one row each.

    Returns
    -------
    DataFrame
        Columns: name, title, condition, design, rows, status (``"verified"``: read in the source;
        ``"derived"``: arithmetic on verified numbers; ``"partly verified"``: see the notes), verified (True
        for the first two), source.
    """
    rows = []
    for name in _names():
        facts = _facts(name)
        rows.append(
            {
                "name": name,
                "title": facts["title"],
                "condition": facts["condition"],
                "design": facts["design"],
                "rows": len(_read(name)),
                "status": facts["status"],
                "verified": _verified(facts),
                "source": facts["source"],
            }
        )
    return pd.DataFrame(rows)


def published_table(name: str) -> pd.DataFrame:
    """One published table.

    Parameters
    ----------
    name
        A name of `list_published`.

    Returns
    -------
    DataFrame
        As published. Its ``attrs`` hold ``title``, ``condition``, ``design``, ``source``, ``status``,
        ``verified``, ``notes``, ``columns`` (column -> meaning), ``unverified_columns``, ``derived`` (what
        follows from the numbers by arithmetic) and ``licence``.

    Raises
    ------
    TandemError
        Where no table has that name.

    Examples
    --------
    >>> published_table("sayed2023_striae_improvement")["mean_improvement_pct"].tolist()
    [60.33, 43.8]
    """
    if name not in _names():
        raise TandemError(
            unknown("published table", name, _names()),
            expected="a name of list_published()",
            got=repr(name),
        )
    facts = _facts(name)
    table = _read(name)
    table.attrs = {
        "title": facts["title"],
        "condition": facts["condition"],
        "design": facts["design"],
        "source": facts["source"],
        "status": facts["status"],
        "verified": _verified(facts),
        "notes": facts["notes"],
        "columns": dict(facts["columns"]),
        "unverified_columns": list(facts.get("unverified_columns", [])),
        "derived": dict(facts.get("derived", {})),
        "licence": LICENCE,
    }
    return table


@cache
def _names() -> tuple[str, ...]:
    return tuple(
        sorted(file.name[: -len(".csv")] for file in _FOLDER.iterdir() if file.name.endswith(".csv"))
    )


def _facts(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def _read(name: str) -> pd.DataFrame:
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def _verified(facts: dict[str, Any]) -> bool:
    return facts["status"] in ("verified", "derived")
