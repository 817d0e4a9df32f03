"""NIfTI volumes -> canonical slices, oriented by their affine, with no text of their headers."""
