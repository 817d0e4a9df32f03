"""Does a network that knows how an image was acquired lose less AUC across vendors?

    python run_search.py --space side_information
    python -m docs.tables networks RUN

Cost: 54 trials at 64 px, about 6 minutes on two quiet cores.

AlexNet is compared with the same network whose first convolution is computed from the image's acquisition parameters.
These are always given (`side_dropout` 0), or each is hidden in 0.3 of the training images. Low-pass at 4/64 and 16/64
and full sampling, both vendors, three seeds. The first convolution starts as AlexNet's, with the same seed, so
differences are paired. Each image is standardised, so that its brightness tells nothing.

Expect no gain across vendors without hidden parameters, and little with them: within one vendor some parameters never
change, so the network can not learn what another vendor's values mean. docs/families.md asks it on real patches (space
patches_networks).
"""

from search_spaces import SMALL, of_64

COMMON = {**SMALL, "epochs": 60, "standardise": "image", "mask": "lowpass", "sampling_rate": of_64(4, 16, 64)}

SPACE = [
    {**COMMON, "classifier": "alexnet"},
    {**COMMON, "classifier": "alexnet_adaptive", "side_dropout": [0.0, 0.3]},
]
SEARCH = {"sampler": "grid", "seeds": 3}
