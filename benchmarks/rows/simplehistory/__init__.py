"""django-simple-history."""
