"""Registers the checks of every room."""

from django.core.checks import Tags, register

from handleref.references.checks import check_references

register(check_references, Tags.models)
