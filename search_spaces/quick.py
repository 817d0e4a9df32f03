"""Which rate would the tool choose on the phantom? The default search: a look at every part in minutes.

    python run_search.py

Rates k/64 on a logarithmic scale, the learned mask on both vendors with low-pass beside it at three of them. At most
ten minutes on two cores, the phantom's writing included. Expect in-domain AUC to rise with the rate and level off;
the phantom shows that the tool works, never that k-sampling does.
"""

COMMON = {"width": 0.125, "image_size": 64, "epochs": 25, "lr": 1e-3, "augment": "flips"}

SPACE = [
    {**COMMON, "mask": "gumbel", "temperature": 1.0, "sampling_rate": [k / 64 for k in (1, 2, 4, 8, 16, 32)]},
    {**COMMON, "mask": "lowpass", "sampling_rate": [k / 64 for k in (2, 8, 32)]},
    {**COMMON, "mask": "lowpass", "sampling_rate": 1.0},
]
SEARCH = {"sampler": "grid", "seeds": 1}
