"""What a plan says of itself before it runs."""

from dataclasses import replace

from tune_ks.core.config import TrialConfig
from tune_ks.planning.plan import about_fitness


def test_a_plan_says_what_it_can_tell_of_its_network():
    low, full = TrialConfig("GE", 0.25, mask="lowpass"), TrialConfig("GE", 1.0, mask="lowpass")
    assert "will stay unknown" in about_fitness([low])
    same_network = [full, replace(full, vendor="SIEMENS"), replace(full, seed=1), replace(full, mask="equispaced")]
    assert about_fitness([low, *same_network]).startswith("at full sampling this trains a single network")
    for change in ({"classifier": "resnet18"}, {"epochs": 60}, {"options": {"width": 2.0}}):
        assert about_fitness([full, replace(full, **change)]) == ""
