"""Every augmentation by name: random changes of a training image before it is sampled."""

from functools import partial

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member
from tune_ks.model.members import named
from tune_ks.training.augmentations import warp
from tune_ks.training.augmentations.base import Augmentation
from tune_ks.training.augmentations.moves import Moves
from tune_ks.training.augmentations.unchanged import Unchanged

AUGMENTATIONS = {
    "none": Member(Unchanged, takes_coils=True),
    "flips": Member(partial(Moves, flips=True), takes_coils=True),
    "shifts": Member(partial(Moves, shifts=True), takes_coils=True),
    "flips_shifts": Member(partial(Moves, flips=True, shifts=True), takes_coils=True),
    "warp": warp.MEMBER,
}


def build_augmentation(config: TrialConfig) -> Augmentation:
    """The config's augmentation with its options. ValueError names an unknown one."""
    member = named(AUGMENTATIONS, "augment", config.augment)
    return member.build(**member.checked_values(config))
