"""How much of k-space should a medical-image classifier see? The search side; see README.md."""

__version__ = "0.4.0"
