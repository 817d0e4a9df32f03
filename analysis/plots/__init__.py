"""Figures of finished values; the only place that imports plotly."""
