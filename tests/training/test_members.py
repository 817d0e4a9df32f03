"""Members bring their own options: declared once, checked by name, refused where no named member has them."""

import pytest
import torch

import run_search
from tune_ks.commands import output
from tune_ks.core.config import OWN_FIELDS, TrialConfig
from tune_ks.core.record import DEFAULTS_0_1_0, OPTIONS_0_1_0, TrialRecord
from tune_ks.model.masks import MASKS, Gumbel
from tune_ks.model.transforms import Fourier
from tune_ks.training.members import (
    config_from,
    members_of,
    option_values,
    owners,
    registries,
    require_own_options,
)


def asked(**values):
    config = config_from({"vendor": "GE", "sampling_rate": 0.5, **values})
    require_own_options(config)
    return config


def test_an_option_of_one_name_is_declared_alike_by_all_that_have_it():
    met = 0
    for name, having in owners().items():
        declared = [option for _, _, option in having]
        assert all(option == declared[0] for option in declared), name
        assert len({field for field, _, _ in having}) == 1, f"{name} is of two parts of the system"
        assert name not in OWN_FIELDS
        met += len(having)
    assert met > 30


def test_every_option_moves_the_key_and_its_default_does_not():
    other = {
        "temperature": 2.0, "temperature_end": 0.1, "budget": "drift", "centre_fraction": 0.1, "hermitian": "tied",
        "density_power": 2.0, "reconstruction_channels": 16, "reconstruction_weight": 1.0, "reconstruction_epochs": 5,
        "hyper_channels": 8, "mixed_losses": "l1 mse", "loss_mix": 0.1, "loss_mix_drawn": "uniform",
        "loss_mix_rest": 0.1, "loss_mix_rest_drawn": "uniform",
        "adversarial_weight": 0.1, "width": 0.5, "dropout": 0.1, "side_dropout": 0.3,
        "start_slope": 3.0, "warmup": 0.1, "final_lr": 0.1, "mask_schedule": "constant", "rise": 0.1, "start_lr": 0.1,
        "label_smoothing": 0.1, "class_weights": "balanced", "mixup": 0.2,
        "mirror": 0.1, "shift": 0.1, "angle_deg": 5.0, "zoom": 0.2, "elastic": 0.1, "gamma": 0.1, "contrast": 0.1,
        "brightness": 0.1, "centre_spacing": "kept", "views": 1, "stages": 1,
        "size_weight": 0.2, "peak_share": 0.1, "candidates": 2,
        "bias_width": 0.1, "n4_side": 16, "n4_levels": 3, "n4_iterations": 20,
        "style_strength": 0.2, "style_share": 0.9, "mixstyle": 0.5, "corruption": "blur",
        "coral_weight": 2.0, "dro_eta": 0.1, "irm_weight": 10.0, "irm_anneal": 5,
    }  # fmt: skip
    assert set(other) == set(owners())
    base = {"vendor": "GE", "sampling_rate": 0.5}
    keys = {config_from({**base, name: value}).key() for name, value in other.items()}
    assert len(keys | {config_from(base).key()}) == len(other) + 1
    defaults = {name: having[0][2].default for name, having in owners().items()}
    assert config_from({**base, **defaults}).key() == config_from(base).key()
    assert config_from({**base, "temperature": 1}).key() == TrialConfig(**base, temperature=1.0).key()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"budget": "free"}, "budget must be 'fixed' or 'drift', got 'free'"),
        ({"classifier": "alexnet_adaptive", "side_dropout": 1}, "side_dropout must be in [0, 1), got 1"),
        ({"reconstruction_channels": 0}, "reconstruction_channels must be above 0, got 0"),
        ({"reconstruction_channels": 1.5}, "reconstruction_channels must be a whole number, got 1.5"),
        ({"reconstruction_weight": -1}, "reconstruction_weight must be 0 or above, got -1"),
        ({"reconstruction_epochs": 25}, "reconstruction_epochs must be from 0 to 24, the epochs before the first that"),
        ({"reconstruction_epochs": 1, "settle": 0}, "reconstruction_epochs must be from 0 to 0, the epochs before"),
        ({"adversarial_weight": -1, "task": "segmentation"}, "adversarial_weight must be 0 or above"),
        ({"temperature": 0}, "temperature must be above 0, or None"),
        ({"temperature": None}, "the mask 'gumbel' needs a temperature above 0"),
        ({"rate_from": 0.2, "budget": "drift"}, "budget must be 'fixed' where rate_from is given"),
        ({"rate_start": 0.9, "budget": "drift"}, "budget must be 'fixed' where rate_start is given"),
        ({"rate_from": 0.2, "temperature_end": 0.1}, "temperature_end must be None where rate_from is given"),
        ({"image_size": 32}, "the classifier 'alexnet' needs an image_size of 63 or more, got 32"),
        ({"mask": "gumble"}, "mask must be one of dps, equispaced, gumbel"),
        ({"task": "x"}, "task must be one of classification, "),
        ({"schedule": "x"}, "schedule must be one of constant, cosine, one_cycle"),
        ({"average": 1}, "average must be in [0, 1), got 1"),
        ({"clip_norm": 0}, "clip_norm must be above 0, or None, got 0"),
        ({"augment": "x"}, "augment must be one of flips, flips_shifts, none, shifts, warp"),
        ({"sampling_rates": 1}, "unknown field 'sampling_rates'; the fields are: vendor, sampling_rate, mask"),
    ],
)
def test_a_wrong_option_is_named_with_what_would_do(values, said):
    with pytest.raises(ValueError) as error:
        asked(**{"temperature": 1.0} | values)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mask": "lowpass", "temperature": 1.0}, "temperature is an option of the mask dps, gumbel, and this trial's"),
        ({"mask": "lowpass", "density_power": 2.0}, "density_power is an option of the mask variable_density"),
        ({"mask": "lowpass", "side_dropout": 0.1}, "side_dropout is an option of the classifier alexnet_adaptive"),
        ({"mask": "lowpass", "adversarial_weight": 0.1}, "adversarial_weight is an option of the task segmentation"),
        (
            {"mask": "lowpass", "warmup": 0.1},
            "warmup is an option of the schedule cosine, and this trial's schedule is",
        ),
        ({"mask": "lowpass", "reconstruction_channels": 8}, "is an option of the reconstruction hqs_net, unet, and"),
    ],
)
def test_an_option_of_another_member_is_refused_and_its_owners_are_named(values, said):
    with pytest.raises(ValueError) as error:
        asked(**values)
    assert said in str(error.value)
    config = config_from({"vendor": "GE", "sampling_rate": 0.5, **values})
    require_own_options(config, chosen=config.options)  # of a member that the same search space names


def test_the_options_of_a_record_of_the_first_version_are_those_that_its_members_declared():
    met = 0
    for field, members in OPTIONS_0_1_0.items():
        for name in members:
            task = "segmentation" if name in ("unet", "segmentation") and field in ("classifier", "task") else None
            networks = {"classifier": "unet", "task": "segmentation"} if task else {}
            config = TrialConfig("GE", 0.5, **networks | {field: name})
            then = TrialRecord(config, {}, {}, 0.5).options_by_field()[field]
            now = option_values(config)[field]
            assert then == {option: value for option, value in now.items() if option in DEFAULTS_0_1_0}, name
            met += 1
    assert met == 9 + 3 + 7 + 1


def test_every_field_names_a_member():
    config = TrialConfig("GE", 0.5, temperature=1.0)
    assert set(members_of(config)) == set(registries()) <= set(OWN_FIELDS)
    assert option_values(config)["mask"]["temperature"] == 1.0
    assert option_values(config)["classifier"] == {"width": 1.0, "dropout": 0.5}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_built_from_plain_values(name):
    mask = MASKS[name].build(Fourier().radius(1, 64), 0.25).eval()
    assert mask(torch.full((2,), 0.25)).sum((1, 2, 3)).tolist() == [16, 16]
    assert Gumbel(Fourier().radius(1, 64), 0.25, temperature=0.5, hermitian="tied").tied


def test_the_fields_are_printed_from_their_declarations(capsys, monkeypatch):
    monkeypatch.setattr(output.console, "width", 250)
    assert run_search.main(["--help-fields"]) == 0
    printed = capsys.readouterr().out
    for name in (*OWN_FIELDS, *owners()):
        assert name in printed
    assert "temperature" in printed
    assert "mask gumbel, dps" in printed
