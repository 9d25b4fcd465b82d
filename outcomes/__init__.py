"""What was planned and what was measured: protocol, trial, instruments, published numbers."""

from outcomes.arms import Arms
from outcomes.errors import Defect, ProtocolError, TandemError, TrialDataError
from outcomes.instruments import get_instrument, list_instruments, score
from outcomes.protocol import Protocol, read_protocol
from outcomes.published import list_published, load_published, published_table
from outcomes.trial import Trial, read_trial

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
