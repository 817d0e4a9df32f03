"""Does a low rate, or a learned mask, beat the obvious ways to make a network work on another vendor's images?

    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space comparators
    python -m docs.tables comparators RUN

Cost: 114 trials at 64 px, some 110 minutes of CPU: about an hour on two quiet cores. N4 takes 0.2 s of CPU an image,
once for all searches. It needs SimpleITK: pip install 'tune_ks[n4]'.

Full sampling, the low-pass and the learned mask at two rates; at full sampling every harmonisation (histogram matching,
Nyul-Udupa, bias-field removal, N4), every style (gamma, bias field, noise, random convolutions, amplitude mixing and
swapping) and MixStyle; three of them together with the low-pass. Three seeds, both vendors, the same 24 epochs and the
recipe of real_patches for all: it was chosen without any comparator, and no comparator was tuned.

Expect little: the patches were resampled and standardised before they came here, and Guo et al. (arXiv:2409.04368) find
no gain from noise. Results are in docs/comparators.md.
"""

from search_spaces import FULL, LEARNED, RECIPE, of_64

RATES = of_64(4, 16)
LOW = {"mask": "lowpass", "sampling_rate": of_64(4)}
STYLES = ["gamma", "bias_field", "noise", "random_convolution", "amplitude_mix", "amplitude_swap"]

SPACE = [
    {**RECIPE, **FULL},
    {**RECIPE, "mask": "lowpass", "sampling_rate": RATES},
    {**RECIPE, **LEARNED, "sampling_rate": RATES},
    {**RECIPE, **FULL, "harmonise": ["histogram", "nyul", "bias_removal", "n4"]},
    {**RECIPE, **FULL, "style": STYLES},
    {**RECIPE, **FULL, "mixstyle": 0.5},
    {**RECIPE, **LOW, "harmonise": "nyul"},
    {**RECIPE, **LOW, "style": ["gamma", "amplitude_mix"]},
]
SEARCH = {"sampler": "grid", "seeds": 3}
