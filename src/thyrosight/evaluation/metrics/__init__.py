"""Masks, labels, risks -> scores; nothing here knows a file."""
