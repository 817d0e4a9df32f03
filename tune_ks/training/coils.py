"""What a training on complex images of coils (raw k-space) can use, and what it cannot.

A member is left out where it needs magnitudes in [0, 1] before sampling (harmonisation, style, warp, mixup, the
adversary), real images (a tied mask, the other transforms), one image in k-space (data consistency), or samples that no
scanner acquires alone (masks of points).
"""

from collections.abc import Mapping
from typing import Any

from tune_ks.core.config import OWN_FIELDS, TrialConfig
from tune_ks.core.printable import shown

FITTING: dict[str, tuple[Any, ...]] = {  # field or option -> the values that fit; an option that is not set fits
    "pattern": ("lines",),
    "transform": ("fourier",),
    "harmonise": ("none",),
    "style": ("none",),
    "augment": ("none", "flips", "shifts", "flips_shifts"),
    "reconstruction": ("zero_filled", "unet"),
    "task": ("classification", "segmentation", "detection"),
    "hermitian": ("none",),
    "mixup": (0.0,),
    "adversarial_weight": (0.0,),
}


def require_fit(name: str, value: Any) -> None:
    """ValueError where ``value`` of this field or option cannot be used on raw k-space."""
    allowed = FITTING.get(name, (value,))
    if value not in allowed:
        words = " or ".join(shown(fitting) for fitting in allowed)
        raise ValueError(
            f"{name} must be {words} on raw k-space, whose images are complex images of several coils, "
            f"got {shown(value)}"
        )


def require_serves_coils(config: TrialConfig) -> None:
    """ValueError where a config names a member that cannot be used on raw k-space."""
    for name in FITTING:
        if name in OWN_FIELDS:
            require_fit(name, getattr(config, name))
        elif name in config.options:
            require_fit(name, config.options[name])


def require_values_serve_coils(fixed: Mapping[str, Any], drawn: Mapping[str, Any]) -> None:
    """The same of a block of a space: its fixed values, and domains with the categories that a sampler can draw."""
    for name in FITTING:
        values = [fixed[name]] if name in fixed else getattr(drawn.get(name), "categories", ())
        for value in values:
            require_fit(name, value)
