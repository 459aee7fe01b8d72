"""Results of other programs -> the scores that `evaluate` gives to a bundle; readings of people -> their scores."""
