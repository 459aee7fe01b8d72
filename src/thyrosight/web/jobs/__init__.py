"""Uploads -> a queue on the disk -> results by frame."""
