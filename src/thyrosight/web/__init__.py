"""The page and the API: uploads into a queue on the disk, one Predictor behind it, results by frame; loopback alone."""
