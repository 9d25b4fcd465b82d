"""Outcome instruments as data, and their scoring."""

from outcomes.instruments.instrument import (
    Band,
    Instrument,
    Item,
    MinimalImportantDifference,
    MissingRule,
    ResponderThreshold,
)
from outcomes.instruments.registry import get_instrument, list_instruments
from outcomes.instruments.scoring import ItemProblem, band, categories_from_counts, item_problems, score

__all__ = [
    "Band",
    "Instrument",
    "Item",
    "ItemProblem",
    "MinimalImportantDifference",
    "MissingRule",
    "ResponderThreshold",
    "band",
    "categories_from_counts",
    "get_instrument",
    "item_problems",
    "list_instruments",
    "score",
]
