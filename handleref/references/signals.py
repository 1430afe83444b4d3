"""What the references room tells others.

``soft_deleted`` and ``restored`` are sent once per model and operation, inside
its transaction, with ``sender`` (the model), ``using`` (database alias),
``deletion`` (UUID of the delete operation; None when one ``restore()`` undoes
several) and ``queryset`` (the rows).

``rows_written`` is sent after every set-based write, which no ``pre_save``
tells of, with ``sender``, ``using``, ``operation`` ("update", "bulk_create",
"soft_delete", "restore" or "hard_delete"), ``pks`` (list of primary keys,
collected before the write) and ``fields`` (frozenset of names).
"""

from django.dispatch import Signal

soft_deleted = Signal()
restored = Signal()
rows_written = Signal()
