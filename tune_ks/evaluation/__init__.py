"""A trained network -> scores, records and files."""
