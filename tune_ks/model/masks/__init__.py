"""M: every mask family by name."""

from tune_ks.model.masks.dps import DpsMask
from tune_ks.model.masks.equispaced import EquispacedMask
from tune_ks.model.masks.gumbel import GumbelMask
from tune_ks.model.masks.gumbel_literal import GumbelLiteralMask
from tune_ks.model.masks.loupe import LoupeMask, LoupeStraightThroughMask
from tune_ks.model.masks.lowpass import LowpassMask
from tune_ks.model.masks.poisson_disc import PoissonDiscMask
from tune_ks.model.masks.random_uniform import RandomUniformMask
from tune_ks.model.masks.variable_density import VariableDensityMask

MASKS = {
    "gumbel": GumbelMask,
    "gumbel_literal": GumbelLiteralMask,
    "loupe": LoupeMask,
    "loupe_straight_through": LoupeStraightThroughMask,
    "dps": DpsMask,
    "lowpass": LowpassMask,
    "equispaced": EquispacedMask,
    "random_uniform": RandomUniformMask,
    "variable_density": VariableDensityMask,
    "poisson_disc": PoissonDiscMask,
}
