"""cases.csv, configuration -> a run."""
