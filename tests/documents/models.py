"""Say where the documents' models live: this is their ``__module__``, and holds none itself."""
