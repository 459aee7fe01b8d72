"""Masks that other tools made -> outlines of an image, and a results folder that holds them as a person's reading."""
