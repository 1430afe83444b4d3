"""The door to REST: what a serializer or a view set of a reference model needs."""

from handleref.references.rest import HandleRefSerializer, SinceFilter

__all__ = ["HandleRefSerializer", "SinceFilter"]
