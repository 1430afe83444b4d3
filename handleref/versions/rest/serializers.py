"""What is asked of the actions, and what they answer."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from handleref.versions.rest.values import KeyField, MomentField, ValueField

# Questions


class HistoryQuerySerializer(serializers.Serializer[Any]):
    """Which versions of an object."""

    user = KeyField(required=False, help_text=_("The key of who made them, or none."))
    field = serializers.CharField(required=False, help_text=_("The field that they changed."))

    def get_fields(self) -> dict[str, Any]:
        start = MomentField(required=False, help_text=_("Made from this moment on."))
        end = MomentField(required=False, help_text=_("Made before this moment."))
        return {**super().get_fields(), "from": start, "to": end}


class CompareQuerySerializer(serializers.Serializer[Any]):
    """Which two versions."""

    def get_fields(self) -> dict[str, Any]:
        return {
            "from": KeyField(help_text=_("The id of the one version.")),
            "to": KeyField(help_text=_("The id of the other.")),
        }


class DeletedQuerySerializer(serializers.Serializer[Any]):
    """Which deleted objects."""

    search = serializers.CharField(required=False, help_text=_("What their names contain."))


class ReverterSerializer(serializers.Serializer[Any]):
    """How to go back."""

    expected_version = KeyField(
        required=False,
        allow_null=True,
        help_text=_("The newest version that the caller saw: if there is more, nothing is done."),
    )
    dry_run = serializers.BooleanField(
        default=False, help_text=_("Whether to only tell what would change.")
    )


class VersionRevertSerializer(ReverterSerializer):
    """Which fields to take back, and from which versions."""

    def get_fields(self) -> dict[str, Any]:
        text = _("Names of fields, each with the id of the version that has the value.")
        fields = serializers.DictField(child=KeyField(), allow_empty=False, help_text=text)
        return {"fields": fields, **super().get_fields()}


class VersionRollbackSerializer(ReverterSerializer):
    """Which version to go back to."""

    version = KeyField(help_text=_("The id of the version."))


class VersionRestoreSerializer(ReverterSerializer):
    """Which deleted object to bring back."""

    version = KeyField(required=False, help_text=_("The id of one of the object's versions."))
    object = KeyField(required=False, help_text=_("Or the object's key: its last version."))

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Refuse to guess."""
        if ("version" in asked) == ("object" in asked):
            raise serializers.ValidationError(_("Give either version or object."))
        return asked


# Answers


class VersionUserSerializer(serializers.Serializer[Any]):
    """Who made a version."""

    id = KeyField(source="pk")
    name = serializers.CharField(source="__str__")


class VersionChangeSerializer(serializers.Serializer[Any]):
    """What became of one field."""

    name = serializers.CharField(help_text=_("The field."))
    verbose_name = serializers.CharField(help_text=_("What it is called."))
    old = ValueField(allow_null=True)
    new = ValueField(allow_null=True)
    note = serializers.CharField(help_text=_("That the field did not exist then, and the like."))


class VersionEntrySerializer(serializers.Serializer[Any]):
    """One version, with what it changed."""

    id = KeyField(source="version.id")
    date = serializers.DateTimeField(source="version.date")
    user = VersionUserSerializer(source="version.user", allow_null=True)
    comment = serializers.CharField(source="version.comment")
    deleted = serializers.BooleanField(
        source="version.is_deleted", help_text=_("Whether the object was deleted then.")
    )
    reverted_from = KeyField(
        source="version.reverted_from",
        allow_null=True,
        help_text=_("The id of the version whose values this one took back."),
    )
    changes = VersionChangeSerializer(many=True)


class VersionDetailSerializer(VersionEntrySerializer):
    """One version, with all its values."""

    object = KeyField(source="version.object_id", help_text=_("The object's key."))

    def get_fields(self) -> dict[str, Any]:
        data = serializers.DictField(
            child=ValueField(allow_null=True), help_text=_("The values by the names of fields.")
        )
        return {**super().get_fields(), "data": data}


class VersionReversalSerializer(serializers.Serializer[Any]):
    """What was done, or with ``dry_run`` would be."""

    object = KeyField(help_text=_("The object's key."))
    version = KeyField(allow_null=True, help_text=_("The id of its newest version."))
    changes = VersionChangeSerializer(many=True)


class VersionConflictSerializer(serializers.Serializer[Any]):
    """Why nothing was done, and what the caller has not seen."""

    detail = serializers.CharField()
    diff = VersionChangeSerializer(many=True, allow_null=True)


class VersionComparisonSerializer(serializers.Serializer[Any]):
    """What differs between two versions."""

    def get_fields(self) -> dict[str, Any]:
        return {"from": KeyField(), "to": KeyField(), "changes": VersionChangeSerializer(many=True)}
