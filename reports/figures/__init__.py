"""Figures as values: each function takes a frame and returns a `ReportFigure`: drawing, caption, words.

Nothing is computed here but what drawing needs: the frames hold the estimates.
"""

from reports.figures.course import profile_figure
from reports.figures.cumulative import cumulative_figure
from reports.figures.diagnostics import residual_figure
from reports.figures.flow import flow_figure
from reports.figures.forest import naive_figure, verdict_figure
from reports.figures.grade_flow import grade_flow_figure
from reports.figures.grades import grade_figure
from reports.figures.interaction import TwoByTwo, interaction_figure
from reports.figures.limits import ResponseLimit
from reports.figures.pairs import paired_figure
from reports.figures.style import ArmStyle, arm_style
from reports.figures.subgroups import subgroup_figure
from reports.figures.value import PRINT_FORMATS, SCREEN_FORMATS, ReportFigure, write_figures
from reports.figures.waterfall import waterfall_figure

__all__ = [
    "PRINT_FORMATS",
    "SCREEN_FORMATS",
    "ArmStyle",
    "ReportFigure",
    "ResponseLimit",
    "TwoByTwo",
    "arm_style",
    "cumulative_figure",
    "flow_figure",
    "grade_figure",
    "grade_flow_figure",
    "interaction_figure",
    "naive_figure",
    "paired_figure",
    "profile_figure",
    "residual_figure",
    "subgroup_figure",
    "verdict_figure",
    "waterfall_figure",
    "write_figures",
]
