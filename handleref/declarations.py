"""What a base declares on every model with a table that inherits it, whatever its Meta says.

Django hands on the Meta of an abstract base only to who inherits that Meta as well: a model
that writes its own, and forgets to, would silently lose the constraints that keep it sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import BaseConstraint, Index, Model


def declare(
    model: type[Model],
    *,
    constraints: Iterable[BaseConstraint] = (),
    indexes: Iterable[Index] = (),
) -> None:
    """Give a model constraints and indexes that it does not have yet, by name.

    To be called from a receiver of ``class_prepared``, for models whose own table has the columns.
    """
    for option, added in (("constraints", [*constraints]), ("indexes", [*indexes])):
        declared = [*getattr(model._meta, option)]
        names = {each.name for each in declared}
        declared += [each for each in added if each.name not in names]
        setattr(model._meta, option, declared)
        # What migrations are made from.
        model._meta.original_attrs[option] = declared
