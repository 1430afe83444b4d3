"""Measures rows that are history, beside plain rows and the rivals."""
