"""What version 0.1.0 asked is still the same question: the shipped spaces keep the keys of their configs."""

import itertools
import json
from pathlib import Path

import pytest

from tune_ks.planning.plan import config_at
from tune_ks.planning.space import PRETRAINED, known_spaces, load_space

VENDORS = ["GE", "PHILIPS", "SIEMENS"]
KEYS = json.loads((Path(__file__).parents[1] / "data/keys_0.1.0.json").read_text())  # space -> sorted keys
DRAWN = {  # the values of rate_temperature, whose fields are drawn by Optuna
    "sampling_rate": [1 / 64, 7 / 64, 1.0],
    "temperature": [0.1, 0.75, 5.0],
    "mask_lr_multiplier": [1.0, 12.5, 30.0],
}
NEW = (  # since 0.1.0
    "augmentations",
    "augmented",
    "classical",
    "comparators",
    "detection",
    "full_sampling",
    "headline",
    "hyper_recon",
    "learning_curve",
    "lv_scar",
    "patches_families",
    "patches_networks",
    "patches_members",
    "qsm_pretrain",
    "qsm_finetune",
    "real_patches",
    "recipe_candidates",
    "recipes",
)
RENAMED = {"real_patches": "patches_alexnet"}  # name in version 0.1.0 -> name today
FINGERPRINTS = {  # of version 0.1.0; a run folder without --run is named by it
    "classifiers": "15f13bfb4f28",
    "finetune": "ae29478d1cca",
    "mask_families": "7eb70c53eb30",
    "one_training": "ffc4f03425f7",
    "paper": "7214e26e5ff1",
    "pretrain": "a61c11525b0a",
    "quick": "90eff27d38e2",
    "rate_temperature": "add4b9832543",
    "real_patches": "16bc1b91f889",
    "reconstructions": "810cce7fc3d2",
    "screened": "c0eb05c31750",
    "screening": "fe586dc5a519",
    "segmentation": "c2613f4043db",
    "side_information": "fc390f352e5a",
    "smoke": "7745b67284af",
}


def keys_of(name):
    """The keys of every config of a space, without the weights that ``--init-from`` would name."""
    space, keys = load_space(name), set()
    for point in space.grid(VENDORS):
        if point.fixed.get("init_from") == PRETRAINED:
            del point.fixed["init_from"]
        assert point.drawn.keys() == (DRAWN.keys() if point.drawn else set())
        values = [DRAWN[field] for field in point.drawn]
        for seed, chosen in itertools.product(range(space.search["seeds"]), itertools.product(*values)):
            keys.add(config_at(point, dict(zip(point.drawn, chosen)), seed).key())
    return sorted(keys)


@pytest.mark.parametrize("name", KEYS)
def test_a_shipped_space_asks_what_version_0_1_0_asked(name):
    today = RENAMED.get(name, name)
    assert keys_of(today) == KEYS[name]
    assert load_space(today).fingerprint() == FINGERPRINTS[name]


def test_every_shipped_space_is_among_them():
    assert known_spaces() == sorted([*(RENAMED.get(name, name) for name in KEYS), *NEW])
    assert sorted(KEYS) == sorted(FINGERPRINTS)
    assert sum(len(keys) for keys in KEYS.values()) == 999


def test_a_space_opens_with_its_question_command_cost_and_expectation():
    for name in known_spaces():
        text = load_space(name).question
        places = [text.find(part) for part in ("?", "\n\n    python run_search.py", "\n\nCost: ", "\n\nExpect ")]
        assert -1 not in places, (name, places)
        assert places == sorted(places), (name, places)
        assert f"--space {name}" in text or name == "quick", name  # the default
