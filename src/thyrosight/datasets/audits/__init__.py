"""What the audit finds: its records, pairs that show one picture, and files to look at."""
