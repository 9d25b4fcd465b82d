"""A report as a value that is put together section by section, and written, shown or verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from outcomes.errors import ReportError
from outcomes.nearest import unknown
from outcomes.protocol import ReportOptions, SectionChoice, read_report_options
from outcomes.trial import Trial, read_trial
from reports.build import Contents, ReportFiles, checked_formats, write_report
from reports.document import (
    Block,
    BulletList,
    Definitions,
    Document,
    Figure,
    FigureBlock,
    Folded,
    Heading,
    Paragraph,
    Section,
    Verbatim,
)
from reports.manifest import Asked, HashedFile, hashed_inputs
from reports.render import DEFAULT_FORMATS
from reports.section_choice import Wanted, checked_sections, planned_sections
from reports.sections import SECTIONS
from reports.tables.value import Table

if TYPE_CHECKING:
    from reports.analyse import AnalysedTrial, Progress
    from reports.context import ReportContext
    from reports.figures import ReportFigure
    from reports.rebuild.verify import Verification
    from reports.results import Results

__all__ = ["OPTIONS", "Report", "ReportFiles", "build_report"]

OPTIONS = "report.toml"
"""The file of options that is looked for beside trial.toml."""

_BLOCKS = (Paragraph, BulletList, Definitions, Heading, Table, FigureBlock, Verbatim, Folded)


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Report:
    """A report of a trial, from the sections that are added to it; frozen: `add` returns another one.

    Parameters
    ----------
    trial : str, Path or Trial
        The path of a trial.toml, or a trial.
    options : str or Path, optional
        A report.toml; by default the one beside the trial.toml, where there is one.
    style : {"jama", "lancet", "nejm", "csr"}, optional
        House style of numbers, in the place of what the options say.
    second_opinion : bool
        Whether the primary model is fitted by other programs too.

    Attributes
    ----------
    trial : Trial
        Protocol and data, with the report's options in force.
    sections : tuple
        What was added, in order.
    options_file : Path or None
        The report.toml in force.

    Examples
    --------
    >>> from reports import Report
    >>> report = Report("examples/within_patient_vitiligo/trial.toml")
    >>> brief = report.add("verdict").add("harms", title="What went wrong")
    >>> [section.title for section in brief.document.sections]
    ['What the combination adds', 'What went wrong']
    """

    trial: Trial
    sections: tuple[Wanted, ...]
    options_file: Path | None
    _second_opinion: bool
    _work: _Work

    def __init__(
        self,
        trial: str | Path | Trial,
        *,
        options: str | Path | None = None,
        style: str | None = None,
        second_opinion: bool = False,
    ) -> None:
        found = trial if isinstance(trial, Trial) else read_trial(_protocol_path(Path(trial)))
        file = _options_file(found, options)
        chosen = found.protocol.report if file is None else read_report_options(file, found.protocol.report)
        if style is not None:
            chosen = _styled(chosen, style)
        with_options = found.with_report(chosen)
        for name, value in {
            "trial": with_options,
            "sections": (),
            "options_file": file,
            "_second_opinion": second_opinion,
            "_work": _Work(with_options, second_opinion),
        }.items():
            object.__setattr__(self, name, value)

    @classmethod
    def default(
        cls,
        trial: str | Path | Trial,
        *,
        options: str | Path | None = None,
        style: str | None = None,
        second_opinion: bool = False,
    ) -> Report:
        """Return the report that `tandem report` writes: the sections that the options ask for, or all of them."""
        return cls(trial, options=options, style=style, second_opinion=second_opinion).add_default()

    def add(
        self,
        what: str | Section | SectionChoice | Block | Figure,
        *,
        title: str | None = None,
        key: str | None = None,
    ) -> Report:
        """Return the report with one more section at its end.

        Parameters
        ----------
        what : str, Section, Table, Figure, Paragraph or another block
            The key of a section of tandem's; or a section or a block of your own. A block gets a section to itself.
        title : str, optional
            Heading, in the place of the section's own. A block needs one, unless it is a table or a figure, which
            have a title and a caption.
        key : str, optional
            Of a block's section; by default from the table's or figure's name.

        Raises
        ------
        ReportError
            Where there is no such section, or the report holds one of that key already.
        """
        return self._with((*self.sections, _wanted(what, title, key, len(self.sections) + 1)))

    def add_default(self) -> Report:
        """Return the report with those sections at its end that the options ask for and that it does not hold yet."""
        held = {one.key for one in self.sections}
        planned = planned_sections(self.trial.protocol.report)
        return self._with((*self.sections, *(one for one in planned if one.key not in held)))

    @property
    def results(self) -> Results:
        """Every number of the report."""
        return self._work.analysed.results

    @property
    def document(self) -> Document:
        """The report as a value: headline, sections, tables and figures."""
        from reports.compose import compose

        return compose(
            self._work.context, self._work.figures, self._provenance(), self.trial.notes, wanted=self.sections
        )

    def write(
        self,
        directory: str | Path,
        formats: Sequence[str] = DEFAULT_FORMATS,
        progress: Progress | None = None,
    ) -> ReportFiles:
        """Write the report: ``report.<format>``, results.json, the figures, and manifest.json.

        Parameters
        ----------
        directory : str or Path
            Where it goes; made where it is missing. Other files in it stay, those of an earlier report are replaced.
        formats : sequence of str
            Of "html", "pdf", "docx", "rtf" and "ipynb".
        progress : callable, optional
            Called with the name of each stage as it begins.

        Raises
        ------
        ReportError
            Where a format is unknown, or the directory cannot be written. After any error the directory is as it was.
        """
        asked = Asked(
            trial=self._typed(),
            formats=checked_formats(formats),
            second_opinion=self._second_opinion,
            by_command=False,
        )
        return self._write(directory, asked, progress)

    def verify(self, directory: str | Path, progress: Progress | None = None) -> Verification:
        """Build the report again, in a temporary directory, and compare it with the one in a directory.

        Returns
        -------
        Verification
            `identical`, and what differs: see `reports.rebuild.verify`.
        """
        from reports.rebuild.verify import verify_against

        return verify_against(
            Path(directory), lambda out, formats: self.write(out, formats, progress), self.trial.directory
        )

    def _write(self, directory: str | Path, asked: Asked, progress: Progress | None) -> ReportFiles:
        say = progress or _silent

        def contents() -> Contents:
            from reports.checking.plan import check_plan

            check_plan(self.trial)
            self._work.analyse(say)
            return Contents(
                self._work.analysed,
                lambda: (self.document, tuple(self._work.figures.values())),
                self._work.inputs(self.options_file),
            )

        return write_report(directory, asked, contents, say)

    def _with(self, sections: tuple[Wanted, ...]) -> Report:
        other = object.__new__(Report)
        fields = {name: getattr(self, name) for name in self.__slots__} | {
            "sections": checked_sections(sections)
        }
        for name, value in fields.items():
            object.__setattr__(other, name, value)
        return other

    def _typed(self) -> str:
        return self.trial.files[0].as_posix() if self.trial.files else ""

    def _provenance(self) -> tuple[tuple[str, str], ...]:
        """Return what made the report: the same however the trial's path was typed and wherever the report lies."""
        own = any(isinstance(one, Section) for one in self.sections)
        if own or not self.trial.files:
            made = ("Made by", "a Python session, with reports.Report")
        else:
            opinion = " --second-opinion" if self._second_opinion else ""
            made = ("Command", f"tandem report {self.trial.files[0].name}{opinion}")
        # A file of options decides what is shown and in which style, which the reader sees; no number is from it.
        inputs = [(one.file, f"SHA-256 {one.sha256}{_HASHED[one.of]}") for one in self._work.inputs(None)]
        return (made, *inputs, *self.results.software.items())

    def _repr_html_(self) -> str:
        """Show the report in a notebook, in a frame of its own, so that neither changes the other's looks."""
        from reports.render import render

        page = escape(render(self.document, "html").decode(), quote=True)
        style = "width: 100%; height: 80vh; border: 1px solid #999"
        return f'<iframe title="Report" style="{style}" srcdoc="{page}"></iframe>'

    def __repr__(self) -> str:
        keys = ", ".join(one.key for one in self.sections) or "no section yet"
        return f"Report({self.trial.protocol.id}: {keys})"


def build_report(
    trial_path: str | Path,
    out_dir: str | Path,
    formats: Sequence[str] = DEFAULT_FORMATS,
    progress: Progress | None = None,
    *,
    options: str | Path | None = None,
    second_opinion: bool = False,
) -> ReportFiles:
    """Analyse a trial and write its report, as the command does.

    Parameters
    ----------
    trial_path
        The trial's ``trial.toml``.
    out_dir
        Where the report goes; made where it is missing. Other files in it stay, those of an earlier report
        are replaced.
    formats
        Formats of the report, of `reports.render.FORMATS`.
    progress
        Called with the name of each stage as it begins.
    options
        A report.toml; by default the one beside the trial.toml, where there is one.
    second_opinion
        Whether the primary model is fitted by other programs too.

    Returns
    -------
    ReportFiles

    Raises
    ------
    ProtocolError, TrialDataError
        Where the protocol or the data have defects, or the data cannot be analysed as planned.
    ModelError, DesignError
        Where the primary analysis cannot be carried out.
    ReportError
        Where a format is unknown, or the directory cannot be written. After any error the directory is as it
        was.
    """
    asked = Asked(
        trial=Path(trial_path).as_posix(),
        formats=checked_formats(formats),
        options="" if options is None else Path(options).as_posix(),
        second_opinion=second_opinion,
    )
    say = progress or _silent
    say("Reading the trial")
    report = Report.default(trial_path, options=options, second_opinion=second_opinion)
    return report._write(out_dir, asked, say)


class _Work:
    """What a report and those made from it share: analysis and figures, made once, when they are first needed."""

    def __init__(self, trial: Trial, second_opinion: bool) -> None:
        self._trial = trial
        self._second_opinion = second_opinion
        self._hashed: dict[Path | None, tuple[HashedFile, ...]] = {}

    def analyse(self, say: Progress) -> None:
        """Analyse the trial now, telling the stages."""
        from reports.analyse import analyse_trial

        if "analysed" not in self.__dict__:
            self.__dict__["analysed"] = analyse_trial(self._trial, say, second_opinion=self._second_opinion)

    @cached_property
    def analysed(self) -> AnalysedTrial:
        """The trial with every number."""
        from reports.analyse import analyse_trial

        return analyse_trial(self._trial, second_opinion=self._second_opinion)

    @cached_property
    def context(self) -> ReportContext:
        """The protocol with the results."""
        from reports.context import ReportContext

        return ReportContext(self._trial.protocol, self.analysed.results, self._trial)

    @cached_property
    def figures(self) -> dict[str, ReportFigure]:
        """Every figure by its name."""
        from reports.drawing import draw_figures

        return draw_figures(self.context, self.analysed)

    def inputs(self, options: Path | None) -> tuple[HashedFile, ...]:
        """The fingerprints of what the report is made from, as it was when they were first asked for."""
        if options not in self._hashed:
            self._hashed[options] = hashed_inputs(self._trial, options)
        return self._hashed[options]


_HASHED = {"bytes": "", "data": " of its data", "frame": " of the data frame"}


def _protocol_path(trial: Path) -> Path:
    """The protocol itself; a trial's directory stands for the trial.toml in it."""
    return trial / "trial.toml" if trial.is_dir() else trial


def _options_file(trial: Trial, named: str | Path | None) -> Path | None:
    """The file of options: the one that is named, or the one beside the trial.toml."""
    if named is not None:
        return Path(named)
    beside = None if trial.directory is None else trial.directory / OPTIONS
    return beside if beside is not None and beside.exists() else None


def _styled(options: ReportOptions, style: str) -> ReportOptions:
    styles = get_args(ReportOptions.model_fields["style"].annotation)
    if style not in styles:
        raise ReportError("there is no such style", got=unknown("style", style, styles))
    return options.model_copy(update={"style": style})


def _wanted(what: object, title: str | None, key: str | None, place: int) -> Wanted:
    """Return what is added to a report as a section of it."""
    if isinstance(what, str):
        return SectionChoice(key=what, title=title)
    if isinstance(what, SectionChoice):
        return what if title is None else what.model_copy(update={"title": title})
    if isinstance(what, Section):
        return replace(what, key=key or what.key, title=title or what.title)
    if isinstance(what, Table):
        return Section(key or what.name, title or what.title, (what,))
    if not isinstance(what, _BLOCKS) and hasattr(what, "svg") and hasattr(what, "alt_text"):
        what = FigureBlock(what)  # type: ignore[arg-type]  # what has these is a figure: `document.Figure`
    if isinstance(what, FigureBlock):
        return Section(key or what.figure.name, title or what.figure.caption, (what,))
    if isinstance(what, _BLOCKS):
        if title is None:
            raise ReportError(
                "a section needs a title",
                expected='add(Paragraph("..."), title="...")',
                got=f"a {type(what).__name__} without one",
            )
        return Section(key or f"added-{place}", title, (what,))
    raise ReportError(
        "this cannot be added to a report",
        expected=f"a section's key ({', '.join(SECTIONS)}), a Section, a Table, a Figure or a Paragraph",
        got=type(what).__name__,
    )


def _silent(stage: str) -> None:
    """Say nothing."""
