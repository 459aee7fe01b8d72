"""A folder of files -> its images, masks and drawings over images, told by names and content."""
