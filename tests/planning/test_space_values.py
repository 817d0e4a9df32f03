"""What a space may give a field: every verb of ray.tune is either drawn from by Optuna or refused in one message."""

import pytest
from ray import tune
from ray.tune.search import sample

import run_search
from tune_ks.core.number import SEEDS
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.space import MOST_TRIALS, ask_more, load_space, space_of
from tune_ks.search.searcher import PointStudy

HEAD = "from ray import tune\nimport numpy as np\nSPACE = {'mask': 'lowpass', 'width': 0.5, 'sampling_rate': 0.5, %s}\n"
DRAWN = HEAD + "SEARCH = {'sampler': 'random'}\n"
USABLE = {  # verb -> its field, how it is written, the values that it may give
    "choice": ("batch_size", "tune.choice([8, 16])", (8, 16)),
    "uniform": ("dropout", "tune.uniform(0.1, 0.9)", (0.1, 0.9)),
    "quniform": ("dropout", "tune.quniform(0.1, 0.9, 0.1)", (0.1, 0.9)),
    "loguniform": ("lr", "tune.loguniform(1e-4, 1e-2)", (1e-4, 1e-2)),
    "randint": ("batch_size", "tune.randint(8, 17)", (8, 16)),
    "qrandint": ("batch_size", "tune.qrandint(8, 16, 4)", (8, 16)),
    "lograndint": ("batch_size", "tune.lograndint(8, 17)", (8, 16)),
}
REFUSED = {  # verb -> how it is written, what is said
    "qloguniform": ("'lr': tune.qloguniform(0.1, 1, 0.1)", "lr: Optuna draws logarithms without steps"),
    "qlograndint": ("'batch_size': tune.qlograndint(8, 16, 4)", "batch_size: Optuna draws logarithms without steps"),
    "randn": ("'lr': tune.randn(1, 0.1)", "this one is tune.randn or tune.qrandn"),
    "qrandn": ("'lr': tune.qrandn(1, 0.1, 0.1)", "this one is tune.randn or tune.qrandn"),
    "sample_from": ("'lr': tune.sample_from(lambda spec: 0.1)", "this one is tune.sample_from"),
    "grid_search": ("'lr': tune.grid_search([0.1])", "write tune.grid_search(VALUES) as the list VALUES alone"),
}
OTHERS = [
    ("'sampling_rate': []", "sampling_rate is an empty list, so there would be no trial at all"),
    ("'vendor': ()", "vendor is an empty list"),
    ("'lr': tune.choice([])", "lr: tune.choice([]) holds no value"),
    ("'lr': tune.uniform(1, 0.1)", "lr: its domain ends at 0.1, which is not above its start 1"),
    ("'lr': [tune.uniform(0.1, 1), 2]", "lr is a list that holds a domain of ray.tune"),
    ("'lr': np.linspace(0.1, 1, 3)", "lr: several values are written as a list, [A, B]; got array("),
    ("'lr': {0.1, 0.2}", "lr: several values are written as a list"),
    ("'vendor': tune.choice(['GE', 'SIEMENS'])", "vendor must be a value or a list: no sampler draws it"),
    ("'image_size': tune.choice([64, 128])", "image_size must be a value or a list: no sampler draws it"),
    ("'image_size': 32, 'lr': tune.uniform(0.1, 1)", "needs an image_size of 63 or more, got 32"),
    (
        "'image_size': 62, 'classifier': tune.choice(['resnet18', 'alexnet', 'resnet18'])",
        "the classifier 'alexnet' needs an image_size of 63 or more, got 62",
    ),
]
SEARCHES = [
    ("None", "SEARCH must be a dict of sampler, samples"),
    ("['tpe']", "SEARCH must be a dict of sampler, samples"),
    ("{'compare_within': None}", "compare_within must be a list of fields of a trial, got None"),
]


def load(folder, text):
    path = folder / "mine.py"
    path.write_text(text)
    return load_space(str(path))


def test_every_verb_of_ray_tune_is_drawn_from_or_refused():
    verbs = (
        {name for name in sample.__all__ if callable(getattr(tune, name, None))}
        if hasattr(sample, "__all__")
        else set()
    )
    verbs |= {
        name
        for name in dir(tune)
        if callable(getattr(tune, name)) and getattr(tune, name).__module__ == sample.__name__
    }
    assert verbs - {"grid_search"} == {*USABLE, *REFUSED} - {"grid_search"}


@pytest.mark.parametrize("verb", USABLE)
def test_optuna_draws_what_a_usable_verb_says(tmp_path, verb):
    field, written, (low, high) = USABLE[verb]
    space = load(tmp_path, DRAWN % f"'{field}': {written}")
    point = space.grid(["GE"])[0]
    study = PointStudy(point, space, [], RunFolder(tmp_path / "run"))
    drawn = [study.ask().params[field] for _ in range(40)]
    assert low <= min(drawn) < max(drawn) <= high
    assert len(set(drawn)) <= point.size()


@pytest.mark.parametrize(
    ("written", "said"), [*REFUSED.values(), *OTHERS], ids=[*REFUSED, *(text for text, _ in OTHERS)]
)
def test_what_no_trial_could_get_is_one_message_before_anything_is_read(tmp_path, capsys, written, said):
    path = tmp_path / "mine.py"
    path.write_text(DRAWN % written)
    assert run_search.main(["--space", str(path), "--data", str(tmp_path / "absent")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert str(path) in error


@pytest.mark.parametrize(("search", "said"), SEARCHES)
def test_a_search_of_another_type_is_one_message(tmp_path, search, said):
    with pytest.raises(ValueError) as error:
        load(tmp_path, f"SPACE = {{'mask': 'lowpass', 'sampling_rate': 0.5}}\nSEARCH = {search}")
    assert said in str(error.value)


def test_more_seeds_than_a_plan_can_name_are_refused_before_it_is_made():
    space = load_space("smoke")
    assert ask_more(space, None, SEEDS.most, []).search["seeds"] == SEEDS.most
    with pytest.raises(ValueError, match="seeds must be a whole number from 1 to 10,000, got 10001"):
        ask_more(space, None, SEEDS.most + 1, [])


def test_a_space_file_without_its_ending_is_recognised(tmp_path):
    (tmp_path / "mine.py").write_text("SPACE = {}")
    with pytest.raises(ValueError, match=r"did you mean '.*/mine\.py'\?"):
        load_space(str(tmp_path / "mine"))


MANY = {"mask": "lowpass", "sampling_rate": 0.5, "lr": [1e-5 * n for n in range(1, 1001)], "seed": list(range(100))}
OF_RATES = {"sampling_rate": tune.uniform(0.1, 1)}


@pytest.mark.parametrize(
    ("space", "search", "count", "largest"),
    [
        (MANY | {"batch_size": list(range(1, 10_001))}, {}, 10**9, "batch_size 10,000, lr 1,000, seed 100"),
        ([MANY, MANY], {}, 2 * 10**5, "lr 1,000, seed 100"),
        (MANY, {"seeds": 3}, 3 * 10**5, "lr 1,000, seed 100"),
        (MANY | {"vendor": ["GE", "SIEMENS"]}, {}, 2 * 10**5, "lr 1,000, seed 100, vendor 2"),
        (MANY | OF_RATES | {"seed": 0}, {"sampler": "tpe", "samples": 200}, 2 * 10**5, "lr 1,000"),
        (OF_RATES, {"sampler": "tpe", "samples": 10**5, "seeds": 2}, 2 * 10**5, ""),
    ],
)
def test_more_trials_than_a_search_can_have_are_counted_and_refused_before_one_is_built(
    monkeypatch, space, search, count, largest
):
    monkeypatch.setattr("tune_ks.planning.space.Block", None)
    said = f"the space asks for {count:,} trials, and a search can have {MOST_TRIALS:,}: list fewer values"
    with pytest.raises(ValueError) as error:
        space_of("many", {"SPACE": space, "SEARCH": search})
    assert str(error.value).startswith(said)
    assert f" ({largest}), " in str(error.value) if largest else " values, ask" in str(error.value)


def test_vendors_count_when_they_are_known(monkeypatch):
    space = space_of("few", {"SPACE": {"mask": "lowpass", "sampling_rate": [0.25, 0.5]}, "SEARCH": {"seeds": 3}})
    monkeypatch.setattr("tune_ks.planning.space.MOST_TRIALS", 6)
    assert len(space.grid(["GE"])) == 2
    with pytest.raises(
        ValueError, match=r"asks for 12 trials, and a search can have 6: .* \(vendor 2, sampling_rate 2\)"
    ):
        space.grid(["GE", "SIEMENS"])
