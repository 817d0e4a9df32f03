"""The driver: Ray Tune and Optuna."""
