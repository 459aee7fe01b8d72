"""Exports of annotation tools whose shapes are in JSON, or named by a list of colours -> cases: one file per tool."""
