"""s = C(R(M F x), a): transforms, masks, reconstructions, classifiers."""
