"""Times as forms have them."""

from __future__ import annotations

from typing import Any

from django.forms import SplitDateTimeWidget


def exact(field: Any) -> Any:
    """Let a field show a moment to the microsecond.

    Django's cuts that off, so that whoever saves a form would change when a row begins, and
    two periods that meet would overlap.
    """
    widget = getattr(field, "widget", None)
    if isinstance(widget, SplitDateTimeWidget):
        field.show_hidden_initial = False
        time: Any = widget.widgets[1]
        for each in (widget, time):
            each.supports_microseconds = True
        time.format = "%H:%M:%S.%f"
        time.attrs["size"] = 15
    return field
