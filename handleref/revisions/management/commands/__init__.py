"""The commands: thin, over the functions of ``lifecycle``."""
