"""Predictor, labelled cases -> what disturbed images cost the scores."""
