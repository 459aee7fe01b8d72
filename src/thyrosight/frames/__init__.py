"""File or array -> Frame: recognised by content, within bounds, DICOM and video decoded in a child process."""
