"""The first events of what was there before, and the end of those that are too old."""
