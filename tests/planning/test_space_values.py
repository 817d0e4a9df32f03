"""What a space may give a field: every verb of ray.tune is either drawn from by Optuna or refused in one message."""

import pytest
from ray import tune
from ray.tune.search import sample

import run_search
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.space import MAX_SEEDS, ask_more, load_space
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
    assert ask_more(space, None, MAX_SEEDS, []).search["seeds"] == MAX_SEEDS
    with pytest.raises(ValueError, match="seeds must be at most 10,000, got 10,001"):
        ask_more(space, None, MAX_SEEDS + 1, [])
