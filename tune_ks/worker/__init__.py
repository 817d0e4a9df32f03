"""What runs inside one of Ray's processes."""
