"""What is said where no figure can be drawn into a file; a file of its own, as it needs no plotly."""

NEEDS = (
    "Figure files need the package kaleido (pip install kaleido) and a Chromium or Chrome on this machine (the "
    "variable BROWSER_PATH may name it); the report's button 'Save SVG' under each figure needs neither."
)


class NoBrowser(RuntimeError):
    """Nothing here can draw a figure into a file: one message that says what would do."""
