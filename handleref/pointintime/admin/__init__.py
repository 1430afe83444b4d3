"""The admin of point-in-time objects: as they were, their timeline, and the ways back."""
