"""Predictions of a DICOM file -> SEG, SR and Secondary Capture that refer to it; the function to call is in files.py.

source.py reads the source's header, with or without identity; findings.py holds the predictions, linked over frames.
"""
