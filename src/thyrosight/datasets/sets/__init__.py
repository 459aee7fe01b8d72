"""A labelled set as its authors publish it -> its cases: one file a set."""
