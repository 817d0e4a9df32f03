"""What a space asks, less what the run folder holds."""
