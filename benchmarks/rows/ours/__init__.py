"""This package."""
