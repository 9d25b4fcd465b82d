"""The version of tandem, kept in this one place."""

__version__ = "0.3.0"
