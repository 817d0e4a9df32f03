"""Training of one network, or of several that share a forward pass: loss, random numbers, optimiser."""
