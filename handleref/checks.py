"""Registers the checks of every room."""

from django.core.checks import Tags, register

from handleref.pointintime.checks import check_point_in_time, check_relations
from handleref.pointintime.lifecycle.checks import check_databases
from handleref.references.checks import check_references
from handleref.stacks.checks import check_stacks
from handleref.triggers.checks import check_declared, check_installed
from handleref.versions.checks import check_versions

register(check_references, Tags.models)
register(check_point_in_time, Tags.models)
register(check_relations, Tags.models)
register(check_stacks, Tags.models)
register(check_versions, Tags.models)
register(check_declared, Tags.models)
register(check_installed, Tags.database)
register(check_databases, Tags.database)
