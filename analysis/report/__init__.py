"""report.html: the page, and the figures as files."""
