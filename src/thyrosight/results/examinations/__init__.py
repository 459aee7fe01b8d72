"""Examination -> the report that a radiologist signs: HTML, PDF, plain text; results folder -> an examination."""
