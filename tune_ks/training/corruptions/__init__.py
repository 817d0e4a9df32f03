"""Image -> worse image at five severities: every corruption by name. MONAI is imported only when it is needed.

Version 2 of three of them: what changed since version 1 is in analysis/read/corrupted.py.
"""

from tune_ks.training.corruptions import bias_field, blur, ghosting, gibbs, motion, rician, spike
from tune_ks.training.corruptions.base import Corruption

CORRUPTIONS = {
    "ghosting": Corruption(ghosting.corrupt, ghosting.STRENGTHS),
    "motion": Corruption(motion.corrupt, motion.STRENGTHS),
    "rician": Corruption(rician.corrupt, rician.STRENGTHS),
    "bias_field": Corruption(bias_field.corrupt, bias_field.STRENGTHS, version=2),
    "gibbs": Corruption(gibbs.corrupt, gibbs.STRENGTHS, version=2),
    "spike": Corruption(spike.corrupt, spike.STRENGTHS, version=2),
    "blur": Corruption(blur.corrupt, blur.STRENGTHS),
}
