"""Measures what history costs beside django-reversion alone and its rivals."""
