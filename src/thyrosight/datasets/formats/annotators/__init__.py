"""Exports of annotation tools, as JSON or as masks with a list of colours -> cases: one file per tool."""
