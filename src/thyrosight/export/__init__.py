"""Training run, scores of its folds -> bundle."""
