"""A person's corrections of a frame, and the files of an item that a person downloads."""
