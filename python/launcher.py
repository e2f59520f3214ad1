"""Starts the host. `sandboxer` unpacks this file as `__main__.py` beside the package, so that a folder is a program.

Any Python 3 can read this file, so that an old one says that it is too old.
"""

import sys


def start(arguments: "list[str]") -> int:
    """Runs the host; returns the exit status."""
    if sys.version_info < (3, 9):
        version = ".".join(str(number) for number in sys.version_info[:3])
        sys.stderr.write("sandboxer needs Python 3.9 or newer; this is {} ({})\n".format(version, sys.executable))
        return 1
    from sandboxer.extensions.host import main

    return main(arguments)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
