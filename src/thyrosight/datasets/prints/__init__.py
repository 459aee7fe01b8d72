"""Images -> pairs that show the same picture: counted bits, fingerprints, the search for near-duplicates."""
