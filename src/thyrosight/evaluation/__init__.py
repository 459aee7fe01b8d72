"""Predictor, labelled cases -> scores with intervals."""
