"""Model on the disk <-> verified Bundle: its records, card, checks and training sets."""
