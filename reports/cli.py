"""The command ``tandem``: everything a session can do, from a terminal or a CI job.

Exit codes: 0 done; 1 the data or a model failed, said in one block on stderr; 2 the command was not
understood; 3 a report is not what a rebuild gives; 130 stopped by Ctrl-C, 143 by SIGTERM. Heavy packages
are imported inside the commands, so that ``tandem --help`` is there at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from reports.characters import printable
from reports.console import (
    DRIFT,
    STOPPED,
    TERMINATED,
    Stages,
    Terminated,
    definition,
    failures,
    termination,
)
from reports.render import DEFAULT_FORMATS, FORMATS

_DEMO_SCENARIO, _DEMO_SEED = "synergy/within-patient", 42

_STARTERS = ("within-patient", "parallel")

_TRIAL = click.argument("trial", metavar="TRIAL.TOML", type=click.Path(path_type=Path))


def _say(text: str = "") -> None:
    """Print a line; where the reader left, as `head` does, go on without one: the work is done all the same."""
    try:
        click.echo(printable(text))  # data are strangers' text: none of it may steer the terminal
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is still in the buffer goes there too, at the exit
        os.close(nowhere)


class _Command(click.Group):
    """A group of commands in the order in which a user meets them; Ctrl-C ends it without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with termination():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            click.echo("\nStopped; nothing is half-written.", err=True)
            ctx.exit(TERMINATED if isinstance(stop, Terminated) else STOPPED)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from outcomes._version import __version__

        _say(f"tandem {__version__}")
        ctx.exit()


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Say the version."
)
def main() -> None:
    """Say whether a combination of therapies does more than each of its parts.

    tandem reads the files and the protocol of a dermatology trial and writes a report that answers it.
    """


def _formats(_: click.Context, __: click.Parameter, text: str) -> tuple[str, ...]:
    asked = tuple(dict.fromkeys(part.strip().casefold() for part in text.split(",") if part.strip()))
    unknown = [name for name in asked if name not in FORMATS]
    available = ", ".join(FORMATS)
    if unknown or not asked:
        named = ", ".join(repr(name) for name in unknown) or "an empty list"
        raise click.BadParameter(f"{named} is not among the formats of this version; available: {available}.")
    return tuple(name for name in FORMATS if name in asked)


def _usage(message: str) -> NoReturn:
    raise click.UsageError(message)


def _new_directory(directory: Path, overwrite: bool) -> None:
    """Refuse a directory that holds a trial already: an example must not replace somebody's data."""
    if (directory / "trial.toml").exists() and not overwrite:
        _usage(f"{directory / 'trial.toml'} exists already. Choose another directory, or add --overwrite.")


_OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace a trial that DIR holds already.")
_OPTIONS = click.option(
    "--report",
    "options",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Style, sections and their titles; by default report.toml beside the trial, where there is one.",
)
_DIRECTORY = click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


@main.command(short_help="Write an example trial and its whole report.")
@_DIRECTORY
@_OVERWRITE
def demo(directory: Path, overwrite: bool) -> None:
    """Write an example trial into DIR, and its whole report into DIR/report."""
    _new_directory(directory, overwrite)
    with failures():
        from synthetic_data import write_scenario

        write_scenario(_DEMO_SCENARIO, directory, _DEMO_SEED)
    _say("The trial (synthetic; what went into it stands beside it):")
    _say(f"  {directory / 'trial.toml'}")
    _write_report(directory / "trial.toml", directory / "report", DEFAULT_FORMATS)


@main.command(short_help="Start a trial: trial.toml, CSV headers, a CI workflow.")
@_DIRECTORY
@click.option(
    "--design",
    type=click.Choice(_STARTERS),
    help="within-patient: lesions or sides of one patient get different arms; parallel: each patient has one.",
)
@click.option(
    "--ci",
    type=click.Choice(["github"]),
    help="Also write a workflow that builds, verifies and keeps the report on each push.",
)
def init(directory: Path, design: str | None, ci: str | None) -> None:
    """Write a commented trial.toml and CSV files with their headers into DIR.

    With --ci, the workflow too; where DIR holds a trial already, --design is left out and only the workflow is written.
    """
    starter = {} if design is None else _starter(directory, design)
    if design is None and (ci is None or not (directory / "trial.toml").exists()):
        _usage(
            "--design is needed: "
            + " or ".join(_STARTERS)
            + "; it is left out only beside --ci where DIR has a trial."
        )
    if ci is not None:
        from reports.workflow import github_workflow

        workflow = github_workflow(directory)
        if workflow.path.exists():
            _usage(f"{workflow.path} exists already, and nothing is overwritten.")
        starter[workflow.path] = workflow.text.encode()
    with failures():
        for path, content in starter.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    _say("Written:")
    for path in starter:
        _say(f"  {path}")
    if design is not None:
        _say("Describe the trial in trial.toml, fill the CSV files, then see what is missing:")
        _say(f"  tandem check {directory / 'trial.toml'}")
    if ci is not None:
        _say(
            "Commit the workflow with the trial: each push then builds the report, verifies it and keeps it."
        )


def _starter(directory: Path, design: str) -> dict[Path, bytes]:
    """Return the files to start a trial of a design with; none of them may exist."""
    from importlib.resources import files

    found = sorted(
        (
            item
            for item in (files("reports") / "templates" / design).iterdir()
            if item.name.endswith((".toml", ".csv"))
        ),
        key=lambda item: item.name,
    )
    present = [item.name for item in found if (directory / item.name).exists()]
    if present:
        _usage(
            f"{directory} holds {', '.join(present)} already, and nothing is overwritten. Choose another directory."
        )
    return {directory / item.name: item.read_bytes() for item in found}


@main.command(short_help="Validate a trial's protocol and data.")
@_TRIAL
def check(trial: Path) -> None:
    """Validate a trial's protocol and data, and say what was found; nothing is written."""
    protocol = _protocol_path(trial)
    with failures(protocol):
        from reports.checking.plan import check_plan
        from reports.checking.summary import trial_summary
        from reports.report import Report

        report = Report(protocol)
        found = report.trial
        check_plan(found)
        lines = [definition(term, text) for term, text in trial_summary(found)]
    for line in lines:
        _say(line)
    _say()
    _say("In order:")
    for path in (*found.files, *filter(None, [report.options_file])):
        _say(f"  {path}")


@main.command(short_help="Write a synthetic trial whose truth is known.")
@click.argument("scenario", metavar="SCENARIO", required=False)
@click.argument("directory", metavar="DIR", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(min=0), help="The same seed, the same bytes."
)
@click.option("--list", "listing", is_flag=True, help="List the scenarios.")
@_OVERWRITE
def simulate(scenario: str | None, directory: Path | None, seed: int, listing: bool, overwrite: bool) -> None:
    """Write a synthetic trial with a known truth into DIR.

    SCENARIO is one of `tandem simulate --list`, such as synergy/within-patient, or a scenario's TOML file.
    """
    from outcomes.errors import ScenarioError
    from synthetic_data import list_scenarios, load_scenario, write_scenario

    if listing:
        for row in list_scenarios().to_dict("records"):
            _say(definition(str(row["name"]), str(row["description"]), indent=40))
        return
    if scenario is None or directory is None:
        _usage("SCENARIO and DIR are needed. `tandem simulate --list` lists the scenarios.")
    if not scenario.endswith(".toml"):
        try:
            load_scenario(scenario)
        except ScenarioError as error:
            _usage(f"{error}\n  `tandem simulate --list` lists the scenarios.")
    _new_directory(directory, overwrite)
    with failures():
        write_scenario(scenario, directory, seed)
    _say("Written:")
    for path in sorted(found for found in directory.iterdir() if found.is_file()):
        _say(f"  {path}")
    _say("Its report:")
    _say(f"  tandem report {directory / 'trial.toml'} -o {directory / 'report'}")


@main.command(short_help="Analyse a trial and write its report.")
@_TRIAL
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the report goes; other files in DIR stay.",
)
@click.option(
    "--format",
    "formats",
    default=",".join(DEFAULT_FORMATS),
    show_default=True,
    metavar="LIST",
    callback=_formats,
    help=f"Formats with commas between them: {', '.join(FORMATS)}.",
)
@_OPTIONS
@click.option(
    "--second-opinion",
    is_flag=True,
    help="Fit the primary model by other programs too (statsmodels; R where Rscript is found), and show both.",
)
def report(
    trial: Path, output: Path, formats: tuple[str, ...], options: Path | None, second_opinion: bool
) -> None:
    """Analyse a trial and write its report: report.html and the rest into DIR."""
    _write_report(_protocol_path(trial), output, formats, options, second_opinion)


@main.command(short_help="Build a report again and compare every byte.")
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--trial",
    type=click.Path(path_type=Path),
    metavar="TRIAL.TOML",
    help="The report's trial, where it is not where it was when the report was made.",
)
@_OPTIONS
def verify(directory: Path, trial: Path | None, options: Path | None) -> None:
    """Build the report in DIR again, in a temporary directory, and compare.

    Ends with 0 where it is identical, with 3 where it is not; then a changed input, a changed version, a report
    that was edited and the numbers that changed are each named. Nothing in DIR is changed.
    """
    from outcomes.errors import RebuildError

    with failures(trial), Stages() as stages:
        from reports.rebuild.verify import verify_report

        try:
            found = verify_report(directory, trial, options=options, progress=stages)
        except RebuildError as error:
            _usage(str(error))
    for line in found.lines():
        _say(line)
    if not found.identical:
        raise click.exceptions.Exit(DRIFT)


@main.command(short_help="List or explain the outcome instruments.")
@click.argument("name", required=False)
def instruments(name: str | None) -> None:
    """List the outcome instruments, or explain the one called NAME."""
    from outcomes.errors import ScoringError
    from outcomes.instruments import get_instrument, list_instruments

    if name is not None:
        try:
            _say(get_instrument(name).explain())
        except ScoringError as error:
            _usage(str(error))
        return
    table = list_instruments()
    indent = max(len(found) for found in table["name"]) + 2
    for row in table.to_dict("records"):
        _say(definition(row["name"], f"{row['title']} ({row['level']})", indent))


def _protocol_path(trial: Path) -> Path:
    """The protocol itself; a trial's directory stands for the trial.toml in it."""
    return trial / "trial.toml" if trial.is_dir() else trial


def _write_report(
    trial: Path,
    output: Path,
    formats: tuple[str, ...],
    options: Path | None = None,
    second_opinion: bool = False,
) -> None:
    with failures(trial), Stages() as stages:
        from reports.report import build_report

        written = build_report(trial, output, formats, stages, options=options, second_opinion=second_opinion)
    _say("The report:")
    for path in written.reports:
        _say(f"  {path}")
    if written.kept:
        _say("Of an earlier report, and changed since, so left as they are:")
        for path in written.kept:
            _say(f"  {path}")
