"""Beginning from another training's weights: what is loaded or refused, which trial serves, what stays, what moves."""

import dataclasses
import itertools
import json
import shutil

import pytest
import torch
from safetensors.torch import save

from analysis.read.configurations import average_over_seeds, curves
from analysis.read.load import load as load_run
from benchmarks.alone import run_config, train
from tiny import write_tiny
from tune_ks.core.config import TrialConfig, digest
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.data.dataset import open_splits
from tune_ks.model.pipeline import build_pipeline
from tune_ks.planning.merge import merge_runs
from tune_ks.planning.plan import plan_search
from tune_ks.planning.pretrained import (
    Pretrained,
    absent_weights,
    bring_weights,
    named,
    names_pretrained,
    resolve,
    weights_of,
)
from tune_ks.planning.space import SEARCH_DEFAULTS, Space, load_space
from tune_ks.training.optimiser import build_optimiser, start_epoch
from tune_ks.training.tasks import build_task
from tune_ks.training.transfer import begin_from, loaded_parts, read_weights
from tune_ks.worker.checkpoints import load_checkpoint, save_checkpoint

FIELDS = {"width": 0.05, "image_size": 64, "epochs": 2, "batch_size": 8, "lr": 1e-3, "settle": 0.5}
SOURCE = TrialConfig("GE", 0.25, temperature=1.0, **FIELDS)
SCORED = {"GE": 0.9, "SIEMENS": 0.7}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A finished source trial in a run folder over the tiny cohort, and the folder's path; images.npy beside it."""
    folder = RunFolder(tmp_path_factory.mktemp("source"))
    _, images = write_tiny(folder.root)
    run_config(SOURCE, folder, images, "cpu", lambda _: None)
    init_from = named(folder, SOURCE.key())
    bring_weights(folder, {init_from: folder})
    return folder, images, init_from


def begun(place, **changes):
    """A pipeline of a changed config that began from the source's weights, the weights, and the config."""
    folder, _, init_from = place
    config = dataclasses.replace(SOURCE, init_from=init_from, **changes)
    weights = read_weights(folder, init_from)
    torch.manual_seed(1)
    pipeline = build_pipeline(config, 64)
    begin_from(pipeline, config, weights)
    return pipeline, weights, config


def test_classifier_and_mask_begin_as_the_source_ended(place):
    pipeline, weights, config = begun(place, seed=3)
    assert loaded_parts(pipeline, config, weights) == ["classifier", "sampling"]
    state = pipeline.state_dict()
    assert state.keys() == weights.tensors.keys()
    assert all(torch.equal(value, weights.tensors[name]) for name, value in state.items())


@pytest.mark.parametrize("changes", [{"mask": "loupe"}, {"pattern": "points"}, {"mask": "lowpass"}])
def test_a_mask_of_another_family_or_size_begins_fresh(place, changes):
    pipeline, weights, config = begun(place, **changes)
    assert loaded_parts(pipeline, config, weights) == ["classifier"]
    torch.manual_seed(1)
    fresh = build_pipeline(config, 64).state_dict()
    for name, value in pipeline.state_dict().items():
        expected = weights.tensors[name] if name.startswith("classifier.") else fresh[name]
        assert torch.equal(value, expected), name


def test_a_network_that_does_not_fit_is_refused_with_what_differs(place):
    with pytest.raises(ValueError, match=r"the classifier 'alexnet' does not fit the weights .*features.0.bias is 6 "
                                         r"here and 3 there; .* \.\.\."):  # fmt: skip
        begun(place, width=0.1)
    with pytest.raises(ValueError, match=r"the classifier 'alexnet_film' .*modulation.0.bias is 64 here and absent"):
        begun(place, classifier="alexnet_film")


def test_weights_that_changed_or_are_absent_are_refused(place, tmp_path):
    folder, _, init_from = place
    other = RunFolder(tmp_path)
    with pytest.raises(ValueError, match="the weights to begin from cannot be used"):
        read_weights(other, init_from)
    shutil.copytree(folder.root / "weights", tmp_path / "weights")
    path = other.weights(init_from, "model.safetensors")
    content = path.read_bytes()
    for changed in (content[:-4], content[:-1] + bytes([content[-1] ^ 1])):
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=f"its content is {digest(changed)} now: it was changed"):
            read_weights(other, init_from)


def test_a_training_from_weights_starts_there_resumes_to_the_bit_and_says_so(place, tmp_path):
    folder, images, init_from = place
    config = dataclasses.replace(SOURCE, init_from=init_from, lr=1e-12, mask_lr_multiplier=1e-9, epochs=3)
    splits, weights = open_splits(folder.cohort_csv, images, "GE"), read_weights(folder, init_from)
    *_, straight = train(config, splits, weights=weights)
    for name, value in straight.state["weights"].items():
        torch.testing.assert_close(value, weights.tensors[name], atol=1e-6, rtol=1e-5)
    quick = dataclasses.replace(config, lr=1e-3)
    *_, straight = train(quick, splits, weights=weights)
    first = next(train(quick, splits, weights=weights))
    save_checkpoint(tmp_path / "c.pt", {"state": first.state})
    *_, resumed = train(quick, splits, load_checkpoint(tmp_path / "c.pt")["state"], weights=weights)
    for name, value in straight.state["weights"].items():
        assert torch.equal(value, resumed.state["weights"][name])
    record = run_config(quick, folder, images, "cpu", lambda _: None)
    assert record.facts["init_from"] == {"question": weights.question(), "loaded": ["classifier", "sampling"]}


def moved(config, place):
    """name -> what one epoch moved of each parameter, at the most."""
    folder, images, init_from = place
    splits, weights = open_splits(folder.cohort_csv, images, "GE"), read_weights(folder, init_from)
    epoch = next(train(dataclasses.replace(config, init_from=init_from), splits, weights=weights))
    distances = {
        name: (value - weights.tensors[name]).abs().max().item() for name, value in epoch.state["weights"].items()
    }
    assert len(distances) > 10
    return distances


def test_frozen_parts_keep_their_bits_and_the_others_move(place):
    config = dataclasses.replace(SOURCE, frozen="classifier.features.0 sampling")
    for name, by in moved(config, place).items():
        assert (by == 0) == name.startswith(("classifier.features.0.", "sampling.")), name


def test_slow_parts_have_their_share_of_the_rate_and_the_mask_its_own(place):
    config = dataclasses.replace(SOURCE, slow="classifier.features sampling", frozen="classifier.features.0",
                                 slow_lr_multiplier=0.01)  # fmt: skip
    pipeline = build_pipeline(config, 64)
    optimiser = build_optimiser(config, pipeline, build_task(config))
    rate = {id(p): (group["lr"], group["weight_decay"]) for group in optimiser.param_groups for p in group["params"]}
    met = set()
    for name, parameter in pipeline.named_parameters():
        frozen = name.startswith("classifier.features.0.")
        slow = name.startswith(("classifier.features.", "sampling."))
        expected = config.lr * (10 if name.startswith("sampling.") else 1) * (0.01 if slow else 1)
        assert (id(parameter) in rate) != frozen
        if not frozen:
            assert rate[id(parameter)][0] == pytest.approx(expected)
            assert (rate[id(parameter)][1] == 0) == name.startswith("sampling.")
        met.add((frozen, slow))
    assert met == {(True, True), (False, True), (False, False)}
    by = moved(dataclasses.replace(SOURCE, slow="classifier.features", weight_decay=0), place)
    assert by["classifier.head.1.weight"] > 20 * by["classifier.features.3.weight"] > 0  # Adam's steps are of size lr


def test_frozen_statistics_rest_too():
    norms = torch.nn.Sequential(torch.nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2))
    pipeline = torch.nn.ModuleDict({"classifier": norms})
    start_epoch(dataclasses.replace(SOURCE, frozen="classifier.0"), pipeline)
    assert [module.training for module in norms] == [False, True]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"slow": "classifier.tail"}, r"slow names parts of this network, as classifier, classifier.features, "
                                      r"classifier.head, sampling, sampling.mask or longer; got 'classifier.tail'"),
        ({"frozen": "classifier.feat"}, "frozen names parts .* got 'classifier.feat', in which there is no parameter"),
        ({"frozen": "classifier sampling"}, "frozen 'classifier sampling' leaves nothing of the network to learn"),
    ],
)  # fmt: skip
def test_a_part_that_is_not_there_is_named_with_those_that_are(changes, said):
    config = dataclasses.replace(SOURCE, **changes)
    with pytest.raises(ValueError, match=said):
        build_optimiser(config, build_pipeline(config, 64), build_task(config))


def source_run(root, configs):
    """A run folder of records without a training: config -> in-domain validation AUC; the weights name their trial."""
    folder = RunFolder(root)
    for config, val in configs.items():
        folder.write_record(TrialRecord(config, {**SCORED, "GE": val, "SIEMENS": val}, SCORED, config.sampling_rate))
        weights = {"classifier.name": torch.tensor(list(config.key().encode()))}
        write_whole(folder.trial(config.key(), "model.safetensors"), save(weights))
    return folder


def varied(**lists):
    return [dataclasses.replace(SOURCE, **dict(zip(lists, values))) for values in itertools.product(*lists.values())]


def test_the_trial_of_the_same_vendor_rate_and_seed_serves(tmp_path):
    configs = varied(vendor=["GE", "SIEMENS"], sampling_rate=[0.25, 1.0], seed=[0, 1, 2])
    folder = source_run(tmp_path, dict.fromkeys(configs, 0.8))
    source = Pretrained(str(tmp_path))
    for config in configs:
        assert source.choose(dataclasses.replace(config, epochs=50, lr=0.1)) == named(folder, config.key())
    fourth = dataclasses.replace(configs[0], seed=4)  # which the run has not: in turn
    assert source.choose(fourth) == named(folder, configs[1].key())


def test_of_several_questions_the_mask_family_then_validation_decides_and_a_tie_is_an_error(tmp_path):
    low, high, other = (dataclasses.replace(SOURCE, **c) for c in ({"lr": 0.1}, {"lr": 0.2}, {"mask": "loupe"}))
    seeds = {dataclasses.replace(high, seed=1): 0.1}  # no seed of a better question may be of a worse one
    folder = source_run(tmp_path, {low: 0.7, high: 0.8, dataclasses.replace(low, seed=1): 0.3, other: 0.99, **seeds})
    assert Pretrained(str(tmp_path)).choose(SOURCE) == named(folder, low.key())
    assert Pretrained(str(tmp_path)).choose(dataclasses.replace(SOURCE, mask="dps")) == named(folder, other.key())
    folder.write_record(TrialRecord(dataclasses.replace(SOURCE, lr=0.3), {"GE": 0.5, "SIEMENS": 1.0}, {}, 0.25))
    with pytest.raises(ValueError, match=r"several trials of .* fit vendor GE, sampling_rate 0.25, .* equally well \("):
        Pretrained(str(tmp_path)).choose(SOURCE)
    alone = Pretrained(str(tmp_path / "trials" / high.key()))
    assert alone.choose(dataclasses.replace(SOURCE, vendor="SIEMENS", seed=7)) == named(folder, high.key())


def test_what_is_not_there_is_said_with_what_is(tmp_path):
    source_run(tmp_path, {SOURCE: 0.8, dataclasses.replace(SOURCE, sampling_rate=0.5, width=0.1): 0.8})
    source = Pretrained(str(tmp_path))
    for changes, said in (
        ({"sampling_rate": 0.125}, "with vendor GE, sampling_rate 0.125, .*; it has sampling_rate 0.25 or 0.5, width "),
        ({"classifier": "alexnet_film"}, "classifier alexnet_film, .*; it has .*classifier alexnet, "),
        ({"sampling_rate": 0.5}, "; it has sampling_rate 0.25 or 0.5, width 0.05 or 0.1$"),
    ):
        with pytest.raises(ValueError, match=said):
            source.choose(dataclasses.replace(SOURCE, **changes))
    for nowhere in (str(tmp_path / "trials"), str(tmp_path / "trials" / "0123456789ab"), str(tmp_path / "none")):
        with pytest.raises(ValueError, match="is no run folder with finished trials"):
            Pretrained(nowhere)


def test_the_word_becomes_a_block_a_config_and_another_pretraining_another_question(tmp_path):
    block = {**FIELDS, "temperature": 1.0, "sampling_rate": [0.25, 1.0], "init_from": [None, "pretrained"]}
    space = Space("s", "", [block, {**block, "init_from": None}], {**SEARCH_DEFAULTS, "seeds": 2})
    assert names_pretrained(space)
    chosen_in = {}
    for number, val in enumerate((0.8, 0.7)):
        folder = source_run(tmp_path / str(number), dict.fromkeys(varied(sampling_rate=[0.25, 1.0], seed=[0, 1]), val))
        if number:  # the same questions, other weights
            for key in folder.finished():
                write_whole(folder.trial(key, "model.safetensors"), save({"classifier.name": torch.zeros(1)}))
        resolved, chosen = resolve(space, ["GE"], Pretrained(str(folder.root)).choose)
        assert not names_pretrained(resolved)
        assert len(chosen) == 4
        plan = plan_search(resolved, RunFolder(tmp_path / "new"), ["GE"])
        configs = [config for job in plan.jobs for config in job]
        assert len(configs) == 8
        configs = [config for config in configs if config.init_from]
        assert [(c.seed, c.sampling_rate) for c in configs] == list(itertools.product((0, 1), (0.25, 1.0)))
        assert {c.init_from for c in configs} == set(chosen.values()) == weights_of(resolved, plan)
        assert all(chosen[dataclasses.replace(c, init_from=None).key()] == c.init_from for c in configs)
        chosen_in[resolved.fingerprint()] = chosen
    assert len(chosen_in) == 2
    assert space.fingerprint() not in chosen_in


def test_weights_come_along_whole_and_are_merged(tmp_path):
    folder = source_run(tmp_path / "source", {SOURCE: 0.8})
    init_from, other = named(folder, SOURCE.key()), RunFolder(tmp_path / "other")
    with pytest.raises(
        ValueError, match=f"the weights {init_from} are not in this run folder, and no run folder here has"
    ):
        absent_weights(other, {init_from}, [])
    changed = f"{SOURCE.key()}@0123456789ab"
    with pytest.raises(ValueError, match=f"the trial has others now: {init_from}"):
        absent_weights(other, {changed}, [folder])
    bring_weights(other, absent_weights(other, {init_from}, [other, folder]))
    assert absent_weights(other, {init_from}, []) == {}
    assert read_weights(other, init_from).record == folder.read_record(SOURCE.key())
    assert not [p for p in (tmp_path / "other").rglob("*") if p.suffix not in ("", ".json", ".safetensors")]
    for run, noted in ((other, {"runs/a": {"k": init_from}}), (target := RunFolder(tmp_path / "target"), {})):
        search = {"format": 1, "space_fingerprint": "x", "init_from": noted}
        write_whole(run.search_json, json.dumps(search).encode())
    merge_runs([other], target)
    assert read_weights(target, init_from).tensors["classifier.name"].tolist() == list(SOURCE.key().encode())
    assert target.read_search()["init_from"] == {"runs/a": {"k": init_from}}


def test_seeds_and_rates_of_one_pretraining_are_one_curve_in_the_analysis(tmp_path):
    folder = RunFolder(tmp_path)
    for rate, seed, before in itertools.product((0.25, 0.5, 1.0), (0, 1), (None, "a" * 12, "b" * 12)):
        mine = f"{before}@{round(rate * 100):06}{seed:06}" if before else None  # each rate and seed has its own
        config = dataclasses.replace(SOURCE, sampling_rate=rate, seed=seed, init_from=mine)
        facts = {"init_from": {"question": before, "loaded": []}} if before else {}
        folder.write_record(TrialRecord(config, dict(SCORED), dict(SCORED), rate, facts=facts))
    table = average_over_seeds(load_run(tmp_path).trials)
    assert table["seeds"].tolist() == [2] * 9
    curve_of = curves(table)
    assert sorted(curve_of) == ["gumbel", f"gumbel, init from {'a' * 12}", f"gumbel, init from {'b' * 12}"]
    assert [curve["sampling_rate"].tolist() for curve in curve_of.values()] == [[0.25, 0.5, 1.0]] * 3


def test_the_space_finetune_finds_every_trial_in_pretrain_and_its_parts_in_the_network(tmp_path):
    vendors = ["GE", "SIEMENS"]
    asked = plan_search(load_space("pretrain"), RunFolder(tmp_path / "none"), vendors).jobs
    folder = source_run(tmp_path, {config: 0.8 for job in asked for config in job})
    resolved, chosen = resolve(load_space("finetune"), vendors, Pretrained(str(tmp_path)).choose)
    assert len(chosen) == 54  # three kinds, three rates, two vendors, three seeds
    configs = {
        (c.classifier, c.frozen, c.slow): c
        for job in plan_search(resolved, RunFolder(tmp_path / "none"), vendors).jobs
        for c in job
        if c.init_from
    }
    assert len(configs) == 3
    for config in configs.values():
        source = folder.read_record(config.init_from.partition("@")[0]).config
        assert (source.vendor, source.sampling_rate, source.seed) == (config.vendor, config.sampling_rate, config.seed)
        pipeline = build_pipeline(config, 64)
        assert build_optimiser(config, pipeline, build_task(config)).param_groups
