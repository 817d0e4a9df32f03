"""Which recipe is fit to judge a rate? Full sampling alone, read on the source vendor's validation images.

    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space recipes
    python -m docs.tables recipes RUN

Cost: 14 trials, about six minutes on two cores.

The AlexNet of the first version, the ResNet-18 that real_patches uses, and that recipe with one thing changed at a
time. Nothing here reads a test label or another vendor: a recipe is chosen by val_in_domain alone.

Expect the residual network above the AlexNet, and small differences among its variants: one split and one seed do not
separate them.
"""

from search_spaces import FULL, RECIPE

CONSTANT = {name: value for name, value in RECIPE.items() if name not in ("schedule", "warmup")}
ALEXNET = {"width": 0.25, "image_size": 64, "epochs": 18, "lr": 5e-4, "augment": "flips"}

SPACE = [
    {**ALEXNET, **FULL},
    {**RECIPE, **FULL},
    {**RECIPE, **FULL, "classifier": "alexnet"},
    {**CONSTANT, **FULL},
    {**RECIPE, **FULL, "test_time": "none"},
    {**RECIPE, **FULL, "lr": 1e-3, "weight_decay": 1e-2},
    {**RECIPE, **FULL, "epochs": 48},
]
SEARCH = {"sampler": "grid", "seeds": 1}
