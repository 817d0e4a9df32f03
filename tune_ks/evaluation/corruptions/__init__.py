"""Image -> worse image at five severities: every corruption by name. MONAI is imported only when it is needed."""

from tune_ks.evaluation.corruptions import bias_field, blur, ghosting, gibbs, motion, rician, spike
from tune_ks.evaluation.corruptions.base import Corruption

CORRUPTIONS = {
    "ghosting": Corruption(ghosting.corrupt, ghosting.STRENGTHS),
    "motion": Corruption(motion.corrupt, motion.STRENGTHS),
    "rician": Corruption(rician.corrupt, rician.STRENGTHS),
    "bias_field": Corruption(bias_field.corrupt, bias_field.STRENGTHS),
    "gibbs": Corruption(gibbs.corrupt, gibbs.STRENGTHS),
    "spike": Corruption(spike.corrupt, spike.STRENGTHS),
    "blur": Corruption(blur.corrupt, blur.STRENGTHS),
}
