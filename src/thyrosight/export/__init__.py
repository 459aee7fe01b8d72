"""A run, the scores of its folds -> a bundle."""
