"""That a check of documents never passes because a program was missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest


def test_a_missing_program_fails_with_how_to_install_it(
    find_program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for name, package in (
        ("chromium", "chromium"),
        ("soffice", "libreoffice-writer"),
        ("pdfinfo", "poppler"),
    ):
        with pytest.raises(pytest.fail.Exception, match=f"{name} is needed.*apt-get install {package}"):
            find_program(name)
