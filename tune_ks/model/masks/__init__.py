"""M: every mask family by name. A member is built from ``radius``, ``rate``, ``lowest_rate`` and ``seed``.

Example: ``Gumbel(Fourier().radius(1, 64), rate=0.25)(torch.full((8,), 0.25))`` is (8, 1, 1, 64) masks.
"""

from tune_ks.model.masks import dps, equispaced, gumbel, loupe, lowpass, poisson_disc, random_uniform, variable_density
from tune_ks.model.masks.dps import DPS
from tune_ks.model.masks.equispaced import Equispaced
from tune_ks.model.masks.gumbel import Gumbel
from tune_ks.model.masks.loupe import Loupe, LoupeStraightThrough
from tune_ks.model.masks.lowpass import Lowpass
from tune_ks.model.masks.poisson_disc import PoissonDisc
from tune_ks.model.masks.random_uniform import RandomUniform
from tune_ks.model.masks.variable_density import VariableDensity

__all__ = [
    "DPS",
    "MASKS",
    "Equispaced",
    "Gumbel",
    "Loupe",
    "LoupeStraightThrough",
    "Lowpass",
    "PoissonDisc",
    "RandomUniform",
    "VariableDensity",
]

MASKS = {
    "gumbel": gumbel.MEMBER,
    "loupe": loupe.MEMBER,
    "loupe_straight_through": loupe.STRAIGHT_THROUGH,
    "dps": dps.MEMBER,
    "lowpass": lowpass.MEMBER,
    "equispaced": equispaced.MEMBER,
    "random_uniform": random_uniform.MEMBER,
    "variable_density": variable_density.MEMBER,
    "poisson_disc": poisson_disc.MEMBER,
}
