"""A file, an array -> Frame: told by content, bounded, hostile formats decoded in a child process."""
