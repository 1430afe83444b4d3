"""A real Django project: 28,000 airports and what became of them."""
