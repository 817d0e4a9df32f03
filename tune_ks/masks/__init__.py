"""M: every mask family by name."""

from tune_ks.masks import gumbel, gumbel_literal, lowpass

MASKS = {"gumbel": gumbel.build, "gumbel_literal": gumbel_literal.build, "lowpass": lowpass.build}
