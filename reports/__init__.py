"""From estimates to pages: results as data, tables, figures and sentences, and the formats that draw them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.rebuild.locate import locate_trial
    from reports.rebuild.verify import verify_report
    from reports.report import Report, ReportFiles, build_report
    from reports.results import Results
    from reports.verdicts import verdict_lines

_LATER = {
    "Report": "reports.report",
    "ReportFiles": "reports.report",
    "Results": "reports.results",
    "build_report": "reports.report",
    "locate_trial": "reports.rebuild.locate",
    "verdict_lines": "reports.verdicts",
    "verify_report": "reports.rebuild.verify",
}
"""Names that are imported when they are first asked for, so that what is not used costs no time."""

__all__ = [
    "Report",
    "ReportFiles",
    "Results",
    "build_report",
    "locate_trial",
    "verdict_lines",
    "verify_report",
]


def __getattr__(name: str) -> object:
    if name in _LATER:
        value: object = getattr(import_module(_LATER[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
