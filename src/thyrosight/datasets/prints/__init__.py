"""What tells that two pictures are one: counted bits, fingerprints, the search for near-duplicates."""
