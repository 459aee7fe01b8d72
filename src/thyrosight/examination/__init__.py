"""Views of one patient and day -> an examination: nodules over the views, sizes, growth, and readings."""
