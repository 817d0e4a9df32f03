"""When the trainings of one configuration are used together as one model, by ``predict`` and by the analysis."""

FEWEST_TOGETHER = 2  # trainings
