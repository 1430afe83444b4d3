"""REST: objects as they are and as they were, and the ways back that forget."""
