"""Write extensions of sand-boxer in Python: see `sandboxer.extensions.base`."""

__version__ = "0.1.0"
