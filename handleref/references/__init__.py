"""A row that knows when it changed: stamps, ``since()``, soft delete, handles."""
