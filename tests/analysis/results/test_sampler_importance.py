"""Optuna's importance where a sampler ran, and in words why there is none elsewhere."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis.report.parts import Figure, Panels, Paragraph, Table
from analysis.report.sections import sampler_importance as section
from analysis.results.sampler_importance import ENOUGH, sampler_importance
from analysis.statistics.measures import MEASURES

TPE = SimpleNamespace(search={"search": {"sampler": "tpe"}})


def drawn(count, **columns):
    """Configurations of the learned mask: the learning rate moves in-domain, the temperature cross-domain."""
    random = np.random.default_rng(0)
    lr = 10.0 ** random.uniform(-4, -2, count)
    temperature = random.uniform(0.5, 5, count)
    table = {
        "full": False,
        "mask": "gumbel",
        "classifier": "alexnet",
        "sampling_rate": random.uniform(0.1, 0.9, count),
        "lr": lr,
        "mask.temperature": temperature,
        "val_in_domain": 0.8 - 0.1 * np.abs(np.log10(lr) + 3) + random.normal(0, 0.003, count),
        "val_cross_domain": 0.6 + 0.03 * temperature + random.normal(0, 0.003, count),
    }
    return pd.DataFrame(table | columns)


def test_each_metric_has_the_hyperparameter_that_moves_it():
    moved = sampler_importance(TPE, drawn(40))
    table = moved.table.set_index("hyperparameter")
    assert sorted(table.index) == ["lr", "sampling rate", "temperature"]
    assert table["in_domain"].idxmax() == moved.table["hyperparameter"].iloc[0] == "lr"
    assert table["cross_domain"].idxmax() == "temperature"
    assert (table.max() > 0.7).all()
    assert table.sum().tolist() == pytest.approx([1, 1])
    assert moved.trials == 40
    assert sampler_importance(TPE, drawn(40)).table.equals(moved.table)


def test_a_list_of_words_counts_and_what_some_trials_lack_is_named():
    random = np.random.default_rng(1)
    classifier = random.choice(["alexnet", "resnet18"], 40)
    shift = np.where(classifier == "resnet18", 0.3, 0.0)
    table = drawn(40, classifier=classifier)
    table["val_in_domain"] += shift
    table["val_cross_domain"] = np.nan
    table.loc[:9, "mask.temperature"] = np.nan
    moved = sampler_importance(TPE, table)
    assert moved.table["hyperparameter"].iloc[0] == "classifier"
    assert moved.table["cross_domain"].isna().all()
    assert moved.left_out == ("temperature",)


@pytest.mark.parametrize(
    ("run", "table", "why"),
    [
        (TPE, drawn(ENOUGH - 1), f"are the least; the sampler tpe made {ENOUGH - 1}"),
        (TPE, drawn(40, lr=1e-3, **{"mask.temperature": 1.0}), "nothing but the rate"),
        (TPE, drawn(40, val_in_domain=0.5, val_cross_domain=0.5), "the same in all trials"),
    ],
)
def test_nothing_is_computed_where_it_would_say_nothing(run, table, why):
    assert why in sampler_importance(run, table)


def test_the_section_holds_picture_and_table_or_the_reason(monkeypatch):
    selection = SimpleNamespace()
    monkeypatch.setattr(section, "labels_seen", lambda analysis: Paragraph("whose labels", "seen"))
    vendors = {"GE": SimpleNamespace(configurations=drawn(30), selection=selection)}
    analysis = SimpleNamespace(run=TPE, vendors=vendors, measure=MEASURES["auc"])
    panels, _, note = section.parts(analysis)
    assert isinstance(panels, Panels)
    figure, shares = panels.panels[0]
    assert isinstance(figure, Figure)
    assert isinstance(shares, Table)
    assert len(shares.rows) == 3
    assert '"in-domain"' in figure.plotly_json
    assert '"cross-domain"' in figure.plotly_json
    assert "fANOVA" in note.text
    vendors["GE"].configurations = drawn(1)
    (reason,) = section.parts(analysis)
    assert reason.text.startswith(f"GE: no importance by Optuna: {ENOUGH} suggestions below full sampling")


@pytest.mark.parametrize("search", [{}, {"search": {"sampler": "grid"}}])
def test_a_grid_has_no_section_of_what_a_sampler_drew(search):
    vendors = {"GE": SimpleNamespace(configurations=drawn(30))}
    assert section.parts(SimpleNamespace(run=SimpleNamespace(search=search), vendors=vendors)) == []
