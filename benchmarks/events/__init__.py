"""Measures what events cost beside triggers written by hand and the rivals."""
