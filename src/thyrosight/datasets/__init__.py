"""A labelled set on disk -> cases.csv: one file a public set, groups and folds, and the audit of what came out."""
