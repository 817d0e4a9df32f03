"""Results of another cohort are never replaced; the commands that are proposed can be copied whatever the path."""

import shlex
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tune_ks.commands.arguments import evaluate_parser, tune_parser
from tune_ks.commands.evaluate import output_name, results_of, settings_for
from tune_ks.commands.evaluated_cohort import note_cohort, require_same_cohort
from tune_ks.commands.other_series import read_in_series
from tune_ks.commands.search import next_steps
from tune_ks.commands.tuned_space import next_command
from tune_ks.core.run_folder import RunFolder, write_json
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.layouts.sheets import InputError, NoSeries, UnknownSeries

ONE = SimpleNamespace(fingerprint="0123456789ab")
OTHER = SimpleNamespace(fingerprint="ba9876543210")


@pytest.mark.parametrize(
    ("task", "lens", "path"),
    [
        ("evaluate", "", "external/images.csv"),
        ("evaluate", "corruptions", "corruptions/images.csv"),
        ("evaluate", "explain", "explained/images.csv"),
        ("predict", "", "external/images_predictions.csv"),
    ],
)
def test_results_of_a_cohort_may_be_written_again_and_those_of_another_not(tmp_path, task, lens, path):
    asked = Namespace(task=task, corruptions=lens == "corruptions", explain=lens == "explain")
    csv = results_of(RunFolder(tmp_path), "images", asked)
    assert csv == tmp_path / path
    require_same_cohort(csv, ONE)  # there is nothing yet
    note_cohort(csv, ONE)
    require_same_cohort(csv, OTHER)  # its scoring was interrupted: nothing is lost
    csv.write_text("key,auc\n")
    require_same_cohort(csv, ONE)
    with pytest.raises(ValueError, match=r"images\w*\.csv holds results of another cohort: give these another --name"):
        require_same_cohort(csv, OTHER)
    for file in csv.parent.glob("*.json"):
        file.unlink()
    with pytest.raises(ValueError, match="of an earlier version, which does not say of which cohort"):
        require_same_cohort(csv, ONE)
    for damaged in ({"fingerprint": None}, {"fingerprint": [1]}, {}):
        write_json(csv.with_name(f"{csv.stem}_cohort.json"), damaged)
        with pytest.raises(ValueError, match="holds results"):
            require_same_cohort(csv, ONE)


@pytest.mark.parametrize("name", ["images_scores", "images_predictions", "images_cohort", "images_pointing"])
def test_a_name_that_is_another_files_is_refused(name):
    with pytest.raises(ValueError, match="--name must not end with _scores or _predictions or _cohort or"):
        output_name(Namespace(name=name, data=Path("images")))


def test_the_next_command_can_be_copied():
    asked = Namespace(command_line="python run_search.py", finalists=False, data=None)
    steps = next_steps(asked, RunFolder("runs/my run; rm x"), has_failures=True)
    assert len(steps) == 4
    _, command = steps[-1]
    assert shlex.split(command)[-4:] == ["evaluate", "runs/my run; rm x", "--data", "DIR"]
    classical = next_steps(asked, RunFolder("runs/one"), has_failures=True, without_networks=True)
    assert [what for what, _ in classical] == ["the failed trials again", "your own DICOM files"]
    words = ["--data", "my data", "--minutes", "3", "--site", "north", "--vendor-of", "ACME=GE", "--vendor-of", "=GE"]
    following = shlex.split(next_command(tune_parser().parse_args(words), Path("my space.py")))
    assert following[2:] == [*words[:2], *words[4:6], *words[6:], "--space", "my space.py"]


def test_another_cohort_is_read_by_the_run_s_kind_of_domain_unless_the_command_says_another(tmp_path):
    folder = RunFolder(tmp_path)
    write_json(folder.search_json, {"format": 1, "cohort": {"settings": {"series": "pre", "domain": "centre"}}})
    for words, domain in (([], "centre"), (["--domain", "field_strength"], "field_strength")):
        for task in ("evaluate", "predict"):
            args = evaluate_parser(task).parse_args([str(tmp_path), "--data", "elsewhere", *words])
            settings = settings_for(folder, args)
            assert (settings.domain, settings.series) == (domain, "pre")
    write_json(folder.search_json, {"format": 2, "cohort": {"settings": {"series": "pre"}}})
    with pytest.raises(ValueError, match="format 2, this program reads up to 1: use a newer version of it"):
        settings_for(folder, args)


def test_labels_without_a_series_are_evaluated_and_those_of_another_series_need_its_name():
    trained = CohortSettings(series="post_1")

    def reader(error):
        def read(settings):
            if settings.series is not None:
                raise error
            return settings

        return read

    no_series = reader(NoSeries("labels.csv has no series column"))
    another = reader(UnknownSeries("labels.csv has no series 'post_1'; it has 'pre' (3 files)"))
    whole = replace(trained, series=None)
    for labelled in (True, False):
        cohort, (said,) = read_in_series(no_series, trained, is_named=False, labelled=labelled)
        assert cohort == whole
        assert "trained on 'post_1', and no sheet here names series: every file is read" in said
        for read in (no_series, another):
            with pytest.raises(UnknownSeries):
                read_in_series(read, trained, is_named=True, labelled=labelled)
    with pytest.raises(InputError, match=r"it has 'pre' \(3 files\)\. The models were trained on .*; --series NAME"):
        read_in_series(another, trained, is_named=False, labelled=True)
    cohort, (said,) = read_in_series(another, trained, is_named=False, labelled=False)
    assert (cohort, "'post_1', which nothing here is called: every file is read" in said) == (whole, True)
    assert read_in_series(lambda settings: settings, trained, is_named=False, labelled=True) == (trained, [])
