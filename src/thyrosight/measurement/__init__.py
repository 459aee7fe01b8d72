"""Mask of a nodule -> its outlines, sizes, shape and signs; predictions of a clip -> nodules linked over its frames."""
