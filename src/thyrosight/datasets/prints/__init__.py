"""Images -> pairs that show the same picture: fingerprints, the number of bits that differ, the search."""
