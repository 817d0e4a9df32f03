"""Does another classifier carry over to another vendor better than AlexNet does?

    python run_search.py --space classifiers
    python benchmarks/side_information.py RUN

AlexNet, ResNet-18 and DenseNet-121 at an eighth of their widths, low-pass at 8/64 and full sampling, both vendors,
three seeds: 36 trials at 64 px, about a quarter of an hour on two quiet cores, most of it DenseNet's, whose 121 small
layers cost 0.17 s a batch of 16 where AlexNet takes 0.01. The same images in the same order for every network; each
image is standardised. Batch norm keeps the source vendor's statistics, so expect ResNet and DenseNet to do as well
in-domain, and no better across vendors. What came, with one seed, is in docs/families.md.
"""

COMMON = {
    "image_size": 64,
    "width": 0.125,
    "epochs": 30,
    "batch_size": 16,
    "lr": 5e-4,
    "augment": "flips",
    "standardise": "image",
    "mask": "lowpass",
    "sampling_rate": [8 / 64, 1.0],
}

SPACE = {**COMMON, "classifier": ["alexnet", "resnet18", "densenet121"]}
SEARCH = {"sampler": "grid", "seeds": 3}
