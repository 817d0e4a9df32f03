"""The driver of a search: Ray Tune and Optuna."""
