"""What was planned and what was measured: protocol, trial, instruments, published numbers."""

from importlib import import_module
from typing import TYPE_CHECKING

from outcomes.arms import Arms
from outcomes.errors import Defect, ProtocolError, TandemError, TrialDataError

if TYPE_CHECKING:
    from outcomes.instruments import get_instrument, list_instruments, score
    from outcomes.protocol import Protocol, read_protocol
    from outcomes.published import list_published, load_published, published_table
    from outcomes.trial import Trial, read_trial

_LATER = {
    "get_instrument": "outcomes.instruments",
    "list_instruments": "outcomes.instruments",
    "score": "outcomes.instruments",
    "Protocol": "outcomes.protocol",
    "read_protocol": "outcomes.protocol",
    "list_published": "outcomes.published",
    "load_published": "outcomes.published",
    "published_table": "outcomes.published",
    "Trial": "outcomes.trial",
    "read_trial": "outcomes.trial",
}
"""Names that are imported when they are first asked for, so that what is not used costs no time."""

__all__ = [
    "Arms",
    "Defect",
    "Protocol",
    "ProtocolError",
    "TandemError",
    "Trial",
    "TrialDataError",
    "get_instrument",
    "list_instruments",
    "list_published",
    "load_published",
    "published_table",
    "read_protocol",
    "read_trial",
    "score",
]


def __getattr__(name: str) -> object:
    if name in _LATER:
        value: object = getattr(import_module(_LATER[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
