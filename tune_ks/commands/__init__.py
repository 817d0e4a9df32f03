"""What the front door can do: one command, one file; their arguments; how they speak and end."""
