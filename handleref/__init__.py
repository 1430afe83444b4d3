"""Remember every change to Django data: referenced, versioned, restorable.

Add ``"handleref"`` to ``INSTALLED_APPS`` and let a model inherit
``handleref.models.HandleRefModel``. Each capability is a room of its own
(``handleref.references`` …); nothing is imported here, because an installed
app's ``__init__`` runs before models can be imported.
"""

__version__ = "0.1.0"
