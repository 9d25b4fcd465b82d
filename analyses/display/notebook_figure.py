"""A figure that a notebook shows by itself. Imports matplotlib: import it inside functions only."""

from __future__ import annotations

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["NotebookFigure"]

PIXELS = 96
"""CSS pixels of an inch."""


class NotebookFigure(Figure):
    """A matplotlib Figure outside pyplot's registry, with the picture that Jupyter asks for.

    A notebook draws plain figures only after pyplot was imported; this one needs neither pyplot nor a backend.
    """

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(self)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return the PNG at twice the size that it is shown at, for sharp screens, and that size."""
        out = io.BytesIO()
        self.savefig(out, format="png", dpi=2 * PIXELS)
        width, height = self.get_size_inches() * PIXELS
        return out.getvalue(), {"width": round(width), "height": round(height)}
