"""Does everything work on this machine? Two rates and two mask families, trained far too briefly to learn.

    python run_search.py --space smoke

Cost: under a minute on two cores, once the phantom is written.

Expect AUCs of 0.55 to 0.85, and a training loss that is still that of chance (0.69 = ln 2). An AUC reads only the order
of the scores: tumours enhance, so a network that is hardly trained already ranks bright structure higher, and the
linear yardstick, which has no network, reaches a test AUC of 0.67 (GE) and 0.95 (Siemens). Nothing about sampling rates
can be concluded from two epochs.
"""

COMMON = {"width": 0.125, "image_size": 64, "epochs": 2, "lr": 1e-3, "settle": 0.5}

SPACE = [
    {**COMMON, "mask": "gumbel", "sampling_rate": [0.25], "temperature": 1.0},
    {**COMMON, "mask": "lowpass", "sampling_rate": [0.25, 1.0]},
]
SEARCH = {"sampler": "grid", "seeds": 1}
