"""Results of other programs, scored as ours."""
