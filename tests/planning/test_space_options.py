"""Options in a search space: a value can be written once for all members that the space names, fixed or drawn."""

import pytest

from tune_ks.planning.space import load_space

DRAWN = """
from ray import tune
SPACE = {
    "mask": tune.choice(["gumbel", "lowpass"]), "temperature": 1.0,
    "sampling_rate": tune.quniform(1 / 64, 1.0, 1 / 64), "image_size": 64,
}
SEARCH = {"sampler": "tpe"}
"""
LISTED = """
SPACE = [
    {"mask": "lowpass", "sampling_rate": 1.0, "budget": "drift", "image_size": 64},
    {"mask": "gumbel", "temperature": 1.0, "sampling_rate": 0.25, "budget": "drift", "image_size": 64},
]
"""


DENSITY = DRAWN.replace('"gumbel"', '"variable_density"').replace('"temperature": 1.0', '"density_power": 2.0')


@pytest.mark.parametrize("text", [DRAWN, DENSITY, LISTED], ids=["drawn", "drawn, not the default mask's", "listed"])
def test_an_option_of_one_named_member_may_stand_beside_the_others(tmp_path, text):
    (tmp_path / "space.py").write_text(text)
    load_space(str(tmp_path / "space.py"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DRAWN.replace('"gumbel", ', '"equispaced", '), "temperature is an option of the mask dps, gumbel"),
        (LISTED.replace('"gumbel", "temperature": 1.0', '"loupe"'), "budget is an option of the mask gumbel"),
        (DRAWN.replace('"gumbel"', '"gumble"'), "mask must be one of dps, equispaced, gumbel"),
    ],
    ids=["drawn", "listed", "unknown"],
)
def test_an_option_of_no_named_member_is_refused(tmp_path, text, said):
    (tmp_path / "space.py").write_text(text)
    with pytest.raises(ValueError, match=r"space\.py") as error:
        load_space(str(tmp_path / "space.py"))
    assert said in str(error.value)
