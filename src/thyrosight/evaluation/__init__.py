"""Predictor, labelled cases -> scores with intervals; scores of two models -> their difference."""
