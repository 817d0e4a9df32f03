"""One training, or several as one: the loss, the random numbers, the optimiser."""
