"""Text columns as Python's strings, for an analysis: it makes thousands of small tables.

pandas holds texts in Arrow's arrays where pyarrow is installed. Those are made for long columns; with tables of a few
rows they take a fifth of the time of an analysis.
"""

import pandas as pd

python_texts = pd.option_context("mode.string_storage", "python")  # decorates a function
