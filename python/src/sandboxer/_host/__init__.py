"""The inside of the host: private, and free to change. Authors need `sandboxer.extensions.base` only."""
