"""TODO: what question this room answers."""
