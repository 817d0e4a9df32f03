"""Does everything work on this machine? Two rates and two mask families, trained far too briefly to learn.

    python run_search.py --space smoke

Cost: under a minute on two cores, once the phantom is written.

Expect AUCs near 0.5. Nothing can be concluded from them.
"""

COMMON = {"width": 0.125, "image_size": 64, "epochs": 2, "lr": 1e-3, "settle": 0.5}

SPACE = [
    {**COMMON, "mask": "gumbel", "sampling_rate": [0.25], "temperature": 1.0},
    {**COMMON, "mask": "lowpass", "sampling_rate": [0.25, 1.0]},
]
SEARCH = {"sampler": "grid", "seeds": 1}
