"""Predictions -> a results folder (masks, overlays, results.csv, report.html), and DICOM files."""
