"""Learning curves: one rate and family is one trace, in which every trial keeps its own line, text and values."""

import pandas as pd

from analysis.plots.training import plot_training
from analysis.read.configurations import FULL
from analysis.results.training_info import LearningCurve, TrainingInfo

CURVES = [
    LearningCurve("a", "gumbel", 0, 0.25, [1, 2], [0.5, 0.61239]),
    LearningCurve("b", "gumbel", 1, 0.25, [1, 2, 3], [0.4, 0.5, 0.6]),
    LearningCurve("c", FULL, 0, 1.0, [1], [0.9]),
    LearningCurve("d", "lowpass", 0, 0.25, [1], [0.3]),
]


def drawn(curves):
    figure = plot_training(TrainingInfo("loss", curves, pd.Series([0.25, 1.0])))
    lines = [trace for trace in figure.data if trace.mode == "lines" and trace.showlegend is False]
    return lines, {trace.name: trace for trace in figure.data if trace.name}


def test_trials_of_one_rate_share_a_trace_with_a_gap_between_them():
    lines, _ = drawn(CURVES[:3])
    assert [len(trace.x) for trace in lines] == [7, 2]
    assert list(lines[0].x) == [1, 2, None, 1, 2, 3, None]
    assert list(lines[0].y) == [0.5, 0.6124, None, 0.4, 0.5, 0.6, None]
    assert [text and text[-1] for text in lines[0].text] == ["a", "a", None, "b", "b", "b", None]
    assert lines[0].text[0] == "gumbel, rate 1/4 (R = 4), seed 0, a"
    assert lines[0].line.color != lines[1].line.color
    assert not lines[0].connectgaps


def test_full_sampling_has_a_dash_that_no_mask_has_however_many_there_are():
    _, legend = drawn([*CURVES, *(LearningCurve(name, name, 0, 0.5, [1], [0.5]) for name in "efghij")])
    full = legend.pop(FULL).line.dash
    assert len(legend) == 8
    assert full not in {line.line.dash for line in legend.values()}


def test_families_of_one_rate_differ_by_their_dash_which_the_legend_names():
    lines, legend = drawn(CURVES)
    assert list(legend) == ["gumbel", "lowpass", FULL]
    gumbel, full, lowpass = lines
    assert gumbel.line.color == lowpass.line.color != full.line.color
    assert gumbel.line.dash != lowpass.line.dash
    for line, name in ((gumbel, "gumbel"), (full, FULL), (lowpass, "lowpass")):
        assert legend[name].line.dash == line.line.dash
        assert legend[name].legendgroup == line.legendgroup == name  # a click on the entry hides the lines
