"""Does a sampling rate matter at all, to classical methods that need no training of a network?

    python run_search.py --space classical
    python -m docs.tables classical RUN

Cost: 34 trials of about one CPU second: under a minute on two cores, once the phantom is written.

Every trial fits logistic regression on 35 numbers, and a support vector machine, nearest neighbours and a random forest
on 16 x 16 pixels, to the images as its mask samples them. Its score is that of the method which validation images of
the source vendor choose. The low-pass and variable density at eight rates, and full sampling; both vendors. Nothing is
drawn from a seed but the variable density's lines.

Expect the AUC to rise with the rate where fine structure tells the classes apart, and methods to take turns in
answering: pixels at low rates, the spectrum at high ones. A rate at which no classical method loses anything says
little about a network.
"""

from search_spaces import of_64

COMMON = {"classifier": "no_network", "image_size": 64, "epochs": 0}
RATES = of_64(1, 2, 3, 4, 6, 8, 16, 32)

SPACE = [
    {**COMMON, "mask": "lowpass", "sampling_rate": [*RATES, 1.0]},
    {**COMMON, "mask": "variable_density", "sampling_rate": RATES},
]
SEARCH = {"sampler": "grid", "seeds": 1}
