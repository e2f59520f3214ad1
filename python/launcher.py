"""Starts the host. `sandboxer` unpacks this file as `__main__.py` beside the package, so that a folder is a program."""

from __future__ import annotations

import sys

from sandboxer.extensions.host import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
