"""What authors build on (`base`), what runs it (`host`, `registry`), and two reference extensions.

The host adds the folder of a manifest to this package's path, so that `sandboxer.extensions.my_backend` is found in
`my_backend.py` beside the manifest that names it.
"""
