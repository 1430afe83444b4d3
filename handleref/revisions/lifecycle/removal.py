"""How versions are removed, and how that is tried without removing any."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from reversion.models import Revision, Version

if TYPE_CHECKING:
    from collections.abc import Iterator


class Removal:
    """Removes versions, and the revisions that are left without any."""

    def __init__(self, using: str) -> None:
        self.using = using
        self.emptied = 0

    def take(self, page: list[Any], gone: list[Any]) -> None:
        """Deal with a page of versions, of which some go.

        Through the ORM, so that rows of other apps go along, or stand in the way.
        """
        if not gone:
            return
        with transaction.atomic(using=self.using):
            versions = Version.objects.using(self.using)
            # Without the data, which Django would read to delete them.
            versions.filter(pk__in=[row.pk for row in gone]).only("pk").delete()
            revisions = Revision.objects.using(self.using).only("pk")
            left = Exists(versions.filter(revision=OuterRef("pk")))
            empty = revisions.filter(~left, pk__in={row.revision_id for row in gone})
            self.emptied += empty.delete()[1].get(Revision._meta.label, 0)

    def revisions(self, seen: Q, size: int) -> int:
        """Return how many revisions were left without versions.

        :param seen: the condition for the versions that were gone through.
        :param size: how many revisions to look at in one query.
        """
        return self.emptied


class Trial(Removal):
    """Writes nothing, and takes two bits of memory for each revision."""

    def __init__(self, using: str) -> None:
        super().__init__(using)
        self.losing = Bits()
        self.keeping = Bits()

    def take(self, page: list[Any], gone: list[Any]) -> None:
        keys = {row.pk for row in gone}
        for row in page:
            (self.losing if row.pk in keys else self.keeping).add(row.revision_id)

    def revisions(self, seen: Q, size: int) -> int:
        versions = Version.objects.using(self.using)
        others = Exists(versions.filter(~seen, revision=OuterRef("pk")))
        empty = (key for key in self.losing if key not in self.keeping)
        count = 0
        while keys := [*islice(empty, size)]:
            revisions = Revision.objects.using(self.using).filter(~others, pk__in=keys)
            count += revisions.count()
        return count


class Bits:
    """A set of positive numbers that takes a bit for each up to the largest."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def add(self, number: int) -> None:
        """Put a number into the set."""
        byte, bit = divmod(number, 8)
        self.bytes.extend(bytes(max(0, byte + 1 - len(self.bytes))))
        self.bytes[byte] |= 1 << bit

    def __contains__(self, number: int) -> bool:
        byte, bit = divmod(number, 8)
        return byte < len(self.bytes) and bool(self.bytes[byte] >> bit & 1)

    def __iter__(self) -> Iterator[int]:
        return (number for number in range(8 * len(self.bytes)) if number in self)
