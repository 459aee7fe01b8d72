"""A labelled set -> cases.csv and dataset.json, with groups and folds; and the audit of cases.csv."""
