"""A nodule's mask -> outlines, sizes, shape and signs; the nodules of a clip linked over its frames."""
