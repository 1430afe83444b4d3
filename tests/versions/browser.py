"""What the tests of the admin share: addresses, users, and what a page says."""

from html import unescape
from re import DOTALL, findall, sub

from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.urls import reverse


def url(page, *args, **query):
    """Return the address of an admin page: ``url("page_history", 1)``."""
    return reverse(f"admin:versions_tests_{page}", args=args, query=query or None)


def log_in(client, *codenames):
    """Log in as a member of the staff with just these permissions."""
    user = User.objects.create_user("staff", is_staff=True)
    permissions = Permission.objects.filter(
        codename__in=codenames, content_type__app_label="versions_tests"
    )
    assert len(permissions) == len(codenames)
    user.user_permissions.set(permissions)
    client.force_login(user)
    return user


def told(response):
    """Return the messages of a response, each with its level."""
    return [(message.level_tag, message.message) for message in get_messages(response.wsgi_request)]


def text_of(response, tag="main"):
    """Return what a page says to people, in one line."""
    [html] = findall(rf"<{tag}\b.*?</{tag}>", response.content.decode(), DOTALL)[:1]
    return unescape(" ".join(sub(r"<[^>]+>", " ", html).split()))


def changes(response):
    """Return what the lines of a page say: the field, and the parts of its change."""
    return [(line.label, line.parts) for line in response.context["lines"]]


def confirm(client, address, **data):
    """Press the button of a page that shows what would change."""
    page = client.get(address)
    return client.post(address, {"expected_state": page.context["expected_state"], **data})
