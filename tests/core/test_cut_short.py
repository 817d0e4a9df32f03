"""A cohort.csv that was cut short, half of which is a CSV file too: every command says so, and writes nothing."""

import pytest

import run_search
from tune_ks.core.cut_short import cut_short
from tune_ks.core.run_folder import read_json, write_json
from whole_run import write_whole_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder whose search.json counted all the images of cohort.csv, of which half are left."""
    folder = write_whole_run(tmp_path_factory.mktemp("half") / "run")
    lines = folder.cohort_csv.read_text().splitlines(keepends=True)
    search = read_json(folder.search_json)
    search["cohort"]["counts"] = [{"vendor": "GE", "split": "val", "label": 0, "images": len(lines) - 1, "patients": 8}]
    write_json(folder.search_json, search)
    folder.cohort_csv.write_text("".join(lines[: len(lines) // 2]))
    return folder


def files(place):
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "RUN", "--data", "DATA", "--all"],
        ["evaluate", "RUN", "--data", "DATA", "--all", "--corruptions"],
        ["predict", "RUN", "--data", "DATA", "--all"],
        ["export", "RUN", "--key", "KEY", "--into", "DATA/new"],
        ["merge", "RUN", "--into", "DATA/new"],
    ],
    ids=" ".join,
)
def test_it_is_refused_with_the_way_out(words, folder, tmp_path, capsys):
    before = files(folder.root.parent)
    for word, value in (("RUN", folder.root), ("DATA", tmp_path), ("KEY", folder.finished()[0])):
        words = [text.replace(word, str(value)) for text in words]
    assert run_search.main(words) == 2
    said = capsys.readouterr().err
    assert f"error: {folder.cohort_csv}: it has " in said
    assert "it is damaged or was cut short; put the whole file back from a copy of the run folder" in said
    assert files(folder.root.parent) == before
    assert not files(tmp_path)


@pytest.mark.parametrize("search", [{}, {"cohort": None}, {"cohort": {"counts": [{"vendor": "GE"}]}}])
def test_where_no_images_were_counted_nothing_is_missed(search):
    assert cut_short(0, search) == ""


def test_images_without_a_label_that_an_earlier_version_did_not_count_are_no_fault():
    search = {"cohort": {"counts": [{"images": 3}, {"images": 2}]}}
    assert cut_short(6, search) == cut_short(5, search) == ""
    assert cut_short(4, search) == "it has 4 rows, and the cohort 5 images: it is damaged or was cut short"
