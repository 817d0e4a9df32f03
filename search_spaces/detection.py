"""How much of k-space does it take to say where a tumour is, and does that fail sooner than to say that there is one?

    python run_search.py --space detection
    python -m docs.tables detection RUN

Cost: 24 trials at 64 px, each about 30 s of one core: 6 minutes on two quiet cores.

A CenterNet-like head on a U-Net of a quarter of the usual width learns the boxes of the phantom's tumours; both
vendors, three seeds. Full sampling, the low-pass at 4/64 and 16/64, and the learned mask at 4/64. The score is the area
under the LROC curve: an answer at the wrong place counts as a miss. Each record also holds the sensitivity at 1/8 to 8
false positives an image, and half the hit rate of the best fixed position (``trivial``): 0.5 is not chance here.

Expect full sampling to be far above the best fixed position in-domain, to lose a little as the rate falls, and to be no
better than that position on GE after a training on Siemens: GE's images are the harder ones.
"""

from search_spaces import FULL, LEARNED, SMALL, of_64

COMMON = {
    **SMALL,
    "task": "detection",
    "classifier": "centernet",
    "width": 0.25,
    "dropout": 0.0,
    "standardise": "image",
    "batch_size": 8,
    "epochs": 12,
    "lr": 5e-3,
    "schedule": "one_cycle",
}

SPACE = [
    {**COMMON, **LEARNED, "sampling_rate": 4 / 64},
    {**COMMON, "mask": "lowpass", "sampling_rate": of_64(4, 16)},
    {**COMMON, **FULL},
]
SEARCH = {"sampler": "grid", "seeds": 3}
