"""Every style by name: random changes of a training image's intensities before it is harmonised and sampled."""

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member
from tune_ks.model.members import named
from tune_ks.training.styles import amplitude, bias_field, corruption, gamma, noise, random_convolution
from tune_ks.training.styles.base import Style, Unchanged

STYLES = {
    "none": Member(Unchanged, takes_coils=True),
    "gamma": gamma.MEMBER,
    "bias_field": bias_field.MEMBER,
    "noise": noise.MEMBER,
    "random_convolution": random_convolution.MEMBER,
    "amplitude_mix": amplitude.MIX,
    "amplitude_swap": amplitude.SWAP,
    "corruption": corruption.MEMBER,
}


def build_style(config: TrialConfig) -> Style:
    """The config's style with its options. ValueError names an unknown one."""
    member = named(STYLES, "style", config.style)
    return member.build(**member.checked_values(config))
