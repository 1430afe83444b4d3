"""What the tests of the admin share: addresses, users, and what a page says."""

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.urls import reverse

from handleref.references.installation import create_permissions


def url(page, *args, **query):
    """Return the address of an admin page: ``url("item_change", 1)``."""
    return reverse(f"admin:references_tests_{page}", args=args, query=query)


def log_in(client, *codenames):
    """Log in as a member of the staff with just these permissions."""
    create_permissions(apps.get_app_config("references_tests"))
    user = User.objects.create_user("staff", is_staff=True)
    permissions = Permission.objects.filter(codename__in=codenames)
    assert len(permissions) == len(codenames)
    user.user_permissions.set(permissions)
    client.force_login(user)


def told(response):
    """Return the messages of a response, each with its level."""
    return [(message.level_tag, message.message) for message in get_messages(response.wsgi_request)]


def run(client, model, action, rows, *, confirmed=False, shown="all"):
    """Run an action of a change list on some rows."""
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    data |= {"post": "yes"} if confirmed else {"index": 0}
    return client.post(url(f"{model}_changelist", deleted=shown), data)


def history():
    """Return what the admin's history holds, oldest first."""
    entries = LogEntry.objects.order_by("pk")
    return list(entries.values_list("action_flag", "object_repr", "change_message"))
