"""Which rate would the tool choose on the phantom? The default search: a look at every part in minutes.

    python run_search.py

Rates k/64 on a logarithmic scale, the learned mask on both vendors, low-pass beside it at four of the rates, full
sampling with three seeds. At most ten minutes on two cores, the phantom's writing included. Expect in-domain AUC to
rise with the rate and level off; the phantom shows that the tool works, never that k-sampling does. A cohort this
small gives the mask few steps, so its learning rate is 30 times the network's (10, the default, left it near chance).
The network's own is 5e-4: at 1e-3 a third to half of the learned masks' trainings stayed at a loss of 0.693, chance;
here none of twelve did, at 8/64 with six seeds a vendor.
"""

COMMON = {"width": 0.125, "image_size": 64, "epochs": 60, "batch_size": 16, "lr": 5e-4, "augment": "flips"}
LEARNED = {"mask": "gumbel", "temperature": 1.0, "mask_lr_multiplier": 30.0}

SPACE = [
    {**COMMON, **LEARNED, "sampling_rate": [k / 64 for k in (1, 2, 4, 8, 16, 32)]},
    {**COMMON, "mask": "lowpass", "sampling_rate": [k / 64 for k in (2, 4, 8, 32)]},
    {**COMMON, "mask": "lowpass", "sampling_rate": 1.0, "seed": [0, 1, 2]},
]
SEARCH = {"sampler": "grid", "seeds": 1}
