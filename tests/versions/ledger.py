"""A second keeper, so that the interface is not made to the measure of one.

It writes typed rows from Django's signals, and only inside ``recording()``.
"""

from contextlib import contextmanager
from contextvars import ContextVar

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.signals import m2m_changed, post_save, pre_delete
from django.utils import timezone

from handleref.models import live, restored, soft_deleted
from handleref.references.deletion import refuse_deleted_parents
from handleref.versions import Keeper, Version
from handleref.versions.diff import same
from handleref.versions.state import typed_value
from tests.versions.models import Page, PageRow

STAMPS = {"created", "updated", "version", "deletion", "former_status", "seen"}
NAMES = ["title", "body", "kind", "status", "price", "printed", "extra"]
STAMPED = ["created", "updated", "version"]

_block = ContextVar("ledger", default=None)


class LedgerVersion(Version):
    def __str__(self):
        return self.row.title

    @property
    def object_id(self):
        return self.row.page_id

    @property
    def date(self):
        return self.row.written_at

    @property
    def user(self):
        return self.row.written_by

    @property
    def comment(self):
        return self.row.reason

    @property
    def reverted_from(self):
        return self.row.reverted_from

    @property
    def data(self):
        row, values = self.row, {"id": self.row.page_id}
        values |= {name: getattr(row, name) for name in [*NAMES, *STAMPED]}
        tags = typed_value(Page._meta.get_field("tags"), row.tags)
        return values | {"section": row.section_id, "tags": tags}


class Ledger(Keeper):
    name = "ledger"
    order = "id"
    object_id = "page_id"
    date = "written_at"
    user = "written_by"

    def keeps(self, model):
        return model is Page

    def rows(self, model, using=None):
        return PageRow.objects.using(using).select_related("written_by")

    def version(self, model, row):
        return LedgerVersion(self, model, row)

    def changing(self, rows, field):
        return rows.filter(changed__contains=f"|{field}|")

    def searched(self, rows, text):
        return rows.filter(title__icontains=text)

    def existing(self, rows):
        return rows.filter(gone=False)

    def gone(self, model, rows, using=None):
        pages = Page.objects.using(rows.db).filter(live(), pk=OuterRef("page_id"))
        return rows.filter(~Exists(pages))

    def stamp_fields(self, model):
        return frozenset(STAMPS)

    def is_deleted(self, version):
        gone = isinstance(version, LedgerVersion) and version.row.gone
        return gone or version.data["status"] == "deleted"

    def values_for(self, version, values, *, deleted):
        if "status" not in values:
            return values
        status = "deleted" if deleted else values["status"].replace("deleted", "ok")
        return values | {"status": status}

    @contextmanager
    def recording(self, user=None, comment=""):
        block = {"user": user, "comment": comment, "pages": {}, "reverted": {}}
        token = _block.set(block)
        try:
            with transaction.atomic():
                yield
                for pk, (using, gone) in block["pages"].items():
                    write(block, pk, using, gone)
        finally:
            _block.reset(token)

    def check_restorable(self, obj):
        refuse_deleted_parents(obj, obj._state.db)

    def mark_reverted(self, obj, version):
        _block.get()["reverted"][obj.pk] = version.id

    def undelete(self, obj):
        obj.restore()

    def insert(self, obj, version):
        obj.created = version.data["created"]
        obj.save(force_insert=True)
        Page.objects.filter(pk=obj.pk).update(version=version.data["version"] + 1)


def write(block, pk, using, gone):
    """Write the row of one page as the database has it, or as it was when it went."""
    page = gone or Page.objects.using(using).get(pk=pk)
    before = PageRow.objects.using(using).filter(page_id=pk).order_by("id").last()
    row = PageRow(page_id=pk, written_at=timezone.now(), written_by=block["user"])
    row.reason, row.gone = str(block["comment"]), bool(gone) or page.status == "deleted"
    row.reverted_from = block["reverted"].get(pk)
    row.tags = page.kept_tags if gone else sorted(page.tags.values_list("pk", flat=True))
    for name in [*NAMES, *STAMPED, "section_id"]:
        setattr(row, name, getattr(page, name))
    names = [*NAMES, "section_id", "tags"] if before else []
    changed = [name for name in names if not same(getattr(row, name), getattr(before, name))]
    row.changed = "".join(f"|{name.removesuffix('_id')}|" for name in changed)
    row.save(using=using)


def note(using, pages):
    if block := _block.get():
        block["pages"] |= {page.pk: (using, None) for page in pages}


def saved(sender, instance, using, **_):
    note(using, [instance])


def linked(sender, instance, using, **_):
    if isinstance(instance, Page):
        note(using, [instance])


def told(sender, using, queryset, **_):
    note(using, queryset)


def doomed(sender, instance, using, **_):
    if block := _block.get():
        page = Page.objects.using(using).get(pk=instance.pk)
        page.kept_tags = sorted(page.tags.values_list("pk", flat=True))
        block["pages"][page.pk] = (using, page)


post_save.connect(saved, sender=Page)
m2m_changed.connect(linked, sender=Page.tags.through)
pre_delete.connect(doomed, sender=Page)
for signal in (soft_deleted, restored):
    signal.connect(told, sender=Page)
