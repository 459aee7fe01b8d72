"""Masks, labels, risks -> scores; no module here reads a file."""
