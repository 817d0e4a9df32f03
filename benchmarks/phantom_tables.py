"""The gates of the phantom and the share of each switch in the vendor gap, printed and returned."""

from collections.abc import Sequence

import numpy as np

from benchmarks.phantom_scores import BASELINES, VENDORS, AucOf, Interval, Trained, estimate, having, mean_auc
from tune_ks.core.metrics import auc
from tune_ks.data.phantom.scanner import SWITCHES


def print_gates(trained: Sequence[Trained]) -> dict[str, object]:
    """Print each gate with its value, and return them."""
    seeds = sorted({training.phantom_seed for training in trained})
    print(f"\nGates, {len(seeds)} phantom seeds")
    classifiers = having(trained, task="vendor", off=())
    value = estimate(classifiers, lambda auc_of: mean_auc(auc_of, classifiers, "GE"))
    gates = {"vendor classifier": _gate("vendor classifier, AUC", value, value[0] > 0.95, "> 0.95")}
    for vendor in VENDORS:
        gates |= _gates_of(vendor, having(trained, task="tumour", off=(), source=vendor), seeds)
    return gates


def _gates_of(vendor: str, trainings: list[Trained], seeds: Sequence[int]) -> dict[str, object]:
    """The gates of one vendor; ``trainings`` are those on it."""
    gates = {}
    positions = [having(trainings, phantom_seed=seed)[0].position[vendor] for seed in seeds]
    lowest, highest = min(positions), max(positions)  # over the phantoms, each of all its images
    value = (float(np.mean(positions)), lowest, highest)
    met = lowest >= 0.45 and highest <= 0.55
    gates[f"{vendor} position"] = _gate(f"{vendor}: slice position, AUC", value, met, "0.45 to 0.55")
    value = estimate(trainings, lambda auc_of: mean_auc(auc_of, trainings, vendor))
    met = 0.80 <= value[0] <= 0.95
    gates[f"{vendor} in-domain"] = _gate(f"{vendor}: in-domain, AUC", value, met, "0.80 to 0.95")
    for seed in seeds:
        aucs = []
        for training in having(trainings, phantom_seed=seed):
            test = training.test[training.test["vendor"] == vendor]
            aucs.append(f"{auc(test['label'], test['score']):.3f}")
        print(f"{'':17s}phantom {seed}, by split: {' '.join(aucs)}")
    for name in BASELINES:
        gates[f"{vendor} above {name}"] = _above(vendor, trainings, name)
    return gates


def _above(vendor: str, trainings: list[Trained], name: str) -> dict[str, object]:
    def baseline(auc_of: AucOf) -> float:
        value = mean_auc(auc_of, trainings, vendor, name)
        return max(value, 1 - value)  # one number may count in either direction

    value = estimate(trainings, lambda auc_of: mean_auc(auc_of, trainings, vendor) - baseline(auc_of))
    alone = estimate(trainings, baseline)[0]
    return _gate(f"{vendor}: in-domain above {name} ({alone:.3f})", value, value[1] > 0, "interval above 0")


def _gate(name: str, value: Interval, met: bool, wanted: str) -> dict[str, object]:
    print(f"  {'met    ' if met else 'NOT MET'}  {name:40s} {_text(value)}   wanted: {wanted}")
    return {"value": value, "met": bool(met)}


def print_ablation(trained: Sequence[Trained]) -> dict[str, object]:
    """Print in-domain, cross-domain and gap for every set of switches and both sources, and return them."""
    names: dict[tuple[str, ...], str] = {(): "all switches on"}
    names |= {(name,): f"{name} off" for name in SWITCHES}
    names[tuple(SWITCHES)] = "all switches off"
    table: dict[str, object] = {}
    for source, other in (VENDORS, VENDORS[::-1]):
        print(f"\nTrained on {source}, tested on {source} (in-domain) and on {other} (cross-domain)")
        print("".join(f"{title:24s}" for title in ("", "in-domain", "cross-domain", "gap", "matched gap", "share")))
        for off, name in names.items():
            if not having(trained, off=off):
                continue
            row = _ablation_row(trained, off, source, other)
            table[f"{source}: {name}"] = row
            print(f"{name:24s}" + "".join(f"{_text(value):24s}" for value in row.values()))
    print("matched gap: AUC on the tested vendor of the network trained on it, minus that of this one.")
    print("share: matched gap with all switches on, minus this one; positive where the switch makes part of the gap.")
    return table


def _ablation_row(trained: Sequence[Trained], off: tuple[str, ...], source: str, other: str) -> dict[str, Interval]:
    of_source = having(trained, task="tumour", off=off, source=source)
    of_other = having(trained, task="tumour", off=off, source=other)
    of_source_on = having(trained, task="tumour", off=(), source=source)
    of_other_on = having(trained, task="tumour", off=(), source=other)

    def matched(auc_of: AucOf, native: list[Trained], foreign: list[Trained]) -> float:
        # on the same test images, so that it does not matter which vendor is easier
        return mean_auc(auc_of, native, other) - mean_auc(auc_of, foreign, other)

    return {
        "in": estimate(of_source, lambda a: mean_auc(a, of_source, source)),
        "cross": estimate(of_source, lambda a: mean_auc(a, of_source, other)),
        "gap": estimate(of_source, lambda a: mean_auc(a, of_source, source) - mean_auc(a, of_source, other)),
        "matched_gap": estimate(of_source + of_other, lambda a: matched(a, of_other, of_source)),
        "share": estimate(
            [*of_source, *of_other, *of_source_on, *of_other_on],
            lambda a: matched(a, of_other_on, of_source_on) - matched(a, of_other, of_source),
        ),
    }


def _text(value: tuple[float, float, float]) -> str:
    return f"{value[0]:6.3f} ({value[1]:6.3f} {value[2]:6.3f})"
