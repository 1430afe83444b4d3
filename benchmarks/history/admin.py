"""The admin of each contender, as its documentation says."""

from __future__ import annotations

from django.apps import apps
from django.contrib import admin
from reversion.admin import VersionAdmin as ReversionAdmin

from handleref.admin import HandleRefAdmin, VersionAdmin


class OurAdmin(VersionAdmin, HandleRefAdmin):
    """Ours."""


for name in ("Place", "TwinPlace"):
    admin.site.register(apps.get_model("plain", name), ReversionAdmin)
admin.site.register(apps.get_model("ours.Place"), OurAdmin)

if apps.is_installed("simple_history"):
    from simple_history.admin import SimpleHistoryAdmin

    admin.site.register(apps.get_model("simplehistory.Place"), SimpleHistoryAdmin)

if apps.is_installed("django_handleref"):
    from django_handleref.admin import VersionAdmin as DjangoHandleRefAdmin

    admin.site.register(apps.get_model("handleref2.Place"), DjangoHandleRefAdmin)
