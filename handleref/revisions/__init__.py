"""History kept by django-reversion."""
