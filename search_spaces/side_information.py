"""Does a network that is told how an image was acquired lose less across vendors?

    python run_search.py --space side_information
    python benchmarks/side_information.py RUN

AlexNet against the same network with an adaptive first convolution, which is told the image's acquisition parameters
always (`side_dropout` 0) or with each hidden in 0.3 of the training images. Low-pass at 4/64 and 16/64, full sampling,
both vendors, three seeds: 54 trials at 64 px, about 6 minutes on two quiet cores. The first convolution starts as
AlexNet's, with the same seed, so differences are paired. Each image is standardised: brightness tells nothing. Within
one vendor some parameters never change, and what the network makes of another vendor's is not learned: expect no gain
across vendors without hidden parameters, and little with them. What came is in docs/families.md.
"""

COMMON = {
    "image_size": 64,
    "width": 0.125,
    "epochs": 60,
    "batch_size": 16,
    "lr": 5e-4,
    "augment": "flips",
    "standardise": "image",
    "mask": "lowpass",
    "sampling_rate": [k / 64 for k in (4, 16, 64)],
}

SPACE = [
    {**COMMON, "classifier": "alexnet"},
    {**COMMON, "classifier": "alexnet_adaptive", "side_dropout": [0.0, 0.3]},
]
SEARCH = {"sampler": "grid", "seeds": 3}
