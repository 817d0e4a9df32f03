"""How does the AUC on both vendors depend on the sampling rate? Lu's Table 1 with the corrected method.

    python run_search.py --data DUKE --space paper

Cost: 60 trials at 256 px; meant for a GPU.

Nominal rates 0.1 ... 1.0 as k/256, GE and Siemens, three seeds, 256 x 256 images with 256 lines, AlexNet at full width.
The budget is "drift", as in the study: nothing holds the rate, so realised rates differ from the nominal ones.

Expect what the study found: an in-domain AUC that is flat above a rate near 0.25, and a loss of 0.1 to 0.2 across
vendors at every rate. The study chose 0.242 and 0.222 on test scores; here validation scores choose.
"""

from search_spaces import FULL

COMMON = {"vendor": ["GE", "SIEMENS"], "image_size": 256, "epochs": 30, "lr": 1e-4, "budget": "drift"}
LINES = (26, 51, 77, 102, 128, 154, 179, 205, 230)

SPACE = [
    {**COMMON, "mask": "gumbel", "temperature": 1.0, "sampling_rate": [line / 256 for line in LINES]},
    {**COMMON, **FULL},
]
SEARCH = {"sampler": "grid", "seeds": 3}
