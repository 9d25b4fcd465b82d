"""A workflow for continuous integration that builds, verifies and keeps a trial's report on each push."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

PYTHON = "3.12"
"""Version of Python that the workflow runs; any from 3.11 on would do."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow file to be written.

    Attributes
    ----------
    path
        Where it goes.
    text
        What is in it.
    """

    path: Path
    text: str


def github_workflow(directory: Path) -> Workflow:
    """Return the GitHub workflow of the trial in a directory.

    GitHub reads workflows at the top of a repository alone, so it goes there where the directory lies in one; a trial
    further down gives it its name.
    """
    from importlib.resources import files

    from outcomes._version import __version__

    home = directory.resolve()
    top = next((place for place in (home, *home.parents) if (place / ".git").exists()), home)
    inside = home.relative_to(top)
    trial = (inside / "trial.toml").as_posix()
    slug = re.sub(r"[^a-z0-9]+", "-", inside.as_posix().casefold()).strip("-")
    name = f"tandem-{slug}.yml" if slug else "tandem.yml"
    template = (files("reports") / "templates" / "ci" / "github.yml").read_text(encoding="utf-8")
    said = {"NAME": _scalar(trial)[1:-1], "TRIAL": _scalar(trial), "VERSION": __version__, "PYTHON": PYTHON}
    text = re.sub(r"@([A-Z]+)@", lambda match: said[match[1]], template)
    place = directory if top == home else top
    return Workflow(place / ".github" / "workflows" / name, text)


def _scalar(text: str) -> str:
    """Return text as a YAML string (JSON's are) that GitHub takes as it is: "${{" would begin an expression."""
    return json.dumps(text.replace("${{", "${{ '${{' }}"), ensure_ascii=False)
