"""Which network loses least on another vendor's patches, and does it help to know how an image was acquired?

    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space patches_networks
    python -m docs.tables networks RUN

Cost: 48 trials at 64 px, about half an hour on two cores.

The low-pass at 4/64 and full sampling, three seeds, both vendors. The ResNet-18 and the recipe of real_patches; the
AlexNet with the same recipe; and the AlexNet whose first convolution is computed from the image's acquisition
parameters, always given (`side_dropout` 0) or each hidden in 0.3 of the training images. The recipe was chosen with the
ResNet-18 and was not tuned for the others. Every AlexNet starts with the same weights at the same seed, so differences
are paired.

Expect the AlexNet below the ResNet-18, and no gain across vendors from acquisition parameters: within one vendor some
of them never change, so the network can not learn what another vendor's values mean. Results are in docs/families.md.
"""

from search_spaces import RECIPE, of_64

COMMON = {**RECIPE, "mask": "lowpass", "sampling_rate": of_64(4, 64)}

SPACE = [
    {**COMMON, "classifier": ["resnet18", "alexnet"]},
    {**COMMON, "classifier": "alexnet_adaptive", "side_dropout": [0.0, 0.3]},
]
SEARCH = {"sampler": "grid", "seeds": 3}
