"""Which classifier loses least on another vendor's images: AlexNet, ResNet-18 or DenseNet-121?

    python run_search.py --space classifiers
    python -m docs.tables networks RUN

Cost: 36 trials at 64 px, about a quarter of an hour on two quiet cores. DenseNet takes most of it: its 121 small layers
need 0.17 s for a batch of 16, AlexNet needs 0.01 s.

All three networks have an eighth of their usual width. They see the same images in the same order, each image
standardised: low-pass at 8/64 and full sampling, both vendors, three seeds.

Expect ResNet and DenseNet to do as well in-domain and no better across vendors, because their batch norm keeps the
statistics of the vendor trained on. docs/families.md asks it of two of them on real patches (space patches_networks).
"""

from search_spaces import SMALL, of_64

SPACE = {
    **SMALL,
    "epochs": 30,
    "standardise": "image",
    "mask": "lowpass",
    "sampling_rate": of_64(8, 64),
    "classifier": ["alexnet", "resnet18", "densenet121"],
}
SEARCH = {"sampler": "grid", "seeds": 3}
