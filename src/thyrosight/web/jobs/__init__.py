"""Uploads -> a queue on the disk -> results per frame."""
