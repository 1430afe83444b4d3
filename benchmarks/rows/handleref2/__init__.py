"""django-handleref 2.0.1."""
