"""django-safedelete."""
