"""A person's corrections, and the files that a person takes away."""
