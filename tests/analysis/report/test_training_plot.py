"""The learning curves of one rate are one trace: every trial keeps its own line, text and values."""

import pandas as pd

from analysis.plots.training import plot_training
from analysis.results.training_info import LearningCurve, TrainingInfo


def test_trials_of_one_rate_share_a_trace_with_a_gap_between_them():
    curves = [
        LearningCurve("a", 0, 0.25, [1, 2], [0.5, 0.61239]),
        LearningCurve("b", 1, 0.25, [1, 2, 3], [0.4, 0.5, 0.6]),
        LearningCurve("c", 0, 1.0, [1], [0.9]),
    ]
    figure = plot_training(TrainingInfo("loss", curves, pd.Series([0.25, 1.0])))
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    assert [len(trace.x) for trace in lines] == [7, 2]
    assert list(lines[0].x) == [1, 2, None, 1, 2, 3, None]
    assert list(lines[0].y) == [0.5, 0.6124, None, 0.4, 0.5, 0.6, None]
    assert [text and text[-1] for text in lines[0].text] == ["a", "a", None, "b", "b", "b", None]
    assert lines[0].line.color != lines[1].line.color
    assert not lines[0].connectgaps
