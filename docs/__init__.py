"""What was measured, as pages, and the commands that print the tables in them."""
