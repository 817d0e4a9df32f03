"""What the words of the report mean: shown at the word, and in the section Glossary at the end of the page."""

TERMS = {  # word, or several with | between them (the first is its name) -> what it means
    "AUC|AUCs": (
        "Area under the ROC curve: how often an image with a tumour gets a higher score than one without. 0.5 is "
        "chance, 1 is perfect."
    ),
    "cross-domain": "On vendors of scanners that the model was not trained on.",
    "Dice": "Overlap of the predicted and the true segmentation: 0 is none, 1 is perfect.",
    "epsilon": (
        "A rule: the smallest rate whose in-domain validation score lies at most epsilon below the best one. An "
        "estimate, not a proof."
    ),
    "fitted mean": (
        "A smooth curve through the scores of all rates. Rules read it, so that one lucky training does not choose."
    ),
    "FROC": (
        "Sensitivity against false positives an image, where an image may have several answers: a found tumour counts "
        "once, every answer beside it is a false positive."
    ),
    "full sampling": "All of k-space is kept: rate 1, R = 1.",
    "Holm": "A correction for looking at many differences at once: fewer of them hold by chance.",
    "hypervolume": "How much of the space of both scores a front covers: larger is better.",
    "in-domain": "On the vendor of scanners that the model was trained on.",
    "interval|intervals": (
        "Of 100 such studies about 90 have the true value within it. It counts that other patients would have come "
        "and, where it is known, that another training would differ."
    ),
    "k-space": "What an MR scanner measures: the Fourier transform of the image. Its centre holds the coarse shapes.",
    "labels that chose|whose labels chose": (
        "The patients whose diagnoses a rule read to choose a rate. A score of these same patients is too high."
    ),
    "R2|R2 values": (
        "One minus the square of a map's error, as a share of the true map's energy: 1 is exact, 0 is what a map of "
        "zeros reaches, and worse is below 0."
    ),
    "LROC|LROC areas": (
        "Area under the LROC curve: how often an image with a tumour gets a higher score than one without, and the "
        "tumour is where the model says. 1 is perfect, 0 is never at the right place; a model that answers anywhere is "
        "far below 0.5."
    ),
    "low-pass|lowpass": "A fixed mask that keeps the centre of k-space. The simplest rival of a learned mask.",
    "nominal rate": "The share of k-space that was asked for; the realised rate is what the mask keeps.",
    "noninferior": (
        "A rule that proves: the smallest rate shown to lose at most the margin against full sampling in both domains, "
        "by one-sided 95 % bounds on validation patients."
    ),
    "oracle": "A choice that has seen test scores. Its numbers are too high, and show only what could be reached.",
    "Pareto front|front": "The rates that no other rate beats in both domains at once.",
    "proven": "Shown by the test of the rule noninferior, not only estimated.",
    "R": "How many times fewer lines or points than full sampling, 1 / rate: R = 8 keeps an eighth of k-space.",
    "realised rate": "The share of k-space that the scored mask keeps.",
    "seed|seeds": "The start of a training's random numbers; several show how far trainings differ by chance.",
    "transfer loss": "How much lower a score is than that of a model of the patients' own vendor on the same patients.",
    "underfit": "The network was trained too little to judge a rate by it.",
    "yardstick|yardsticks": (
        "A classical method, fitted to the same images. A network that is not above it is not shown to have learned "
        "more."
    ),
}
