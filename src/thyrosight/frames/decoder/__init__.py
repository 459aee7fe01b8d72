"""DICOM or video file -> frames, in a child process with limits on memory, time and files."""
