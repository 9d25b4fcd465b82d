"""Outcome instruments as data, and their scoring."""

from outcomes.instruments.instrument import (
    Instrument,
    Item,
    MinimalImportantDifference,
    MissingRule,
    ResponderThreshold,
)
from outcomes.instruments.registry import get_instrument, list_instruments

__all__ = [
    "Instrument",
    "Item",
    "MinimalImportantDifference",
    "MissingRule",
    "ResponderThreshold",
    "get_instrument",
    "list_instruments",
]
