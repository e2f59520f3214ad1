"""`sandbox.files`, without watching."""

from __future__ import annotations

import datetime
import io
from typing import Any

from box import Box, equal, raises, settled
from registry import check

#: All bytes, and more than one buffer of them.
BYTES = bytes(range(256)) * 4096
TEXT = "ü€😀\n" * 3


async def read_stream(box: Box, path: str, **options: Any) -> bytes:
    stream = await settled(box.files.read(path, format="stream", **options))
    if box.is_sync:
        return b"".join(stream)
    return b"".join([chunk async for chunk in stream])


async def written(box: Box, contents: str | bytes = TEXT, **options: Any) -> str:
    """The path of a new file."""
    path = box.path()
    await settled(box.files.write(path, contents, **options))
    return path


async def bytes_of(box: Box, path: str) -> bytes:
    return bytes(await settled(box.files.read(path, format="bytes")))


@check("files.read(path)")
async def read(box: Box) -> None:
    path = await written(box)
    equal(await settled(box.files.read(path)), TEXT)
    equal(await settled(box.files.read(path.removeprefix(f"{box.home}/"))), TEXT)


@check("files.read(path) of an empty file")
async def read_empty(box: Box) -> None:
    path = await written(box, "")
    equal(await settled(box.files.read(path)), "")
    equal(await bytes_of(box, path), b"")


@check('files.read(format="bytes")')
async def read_bytes(box: Box) -> None:
    path = await written(box, BYTES)
    equal(await bytes_of(box, path) == BYTES, True)


@check('files.read(format="stream")')
async def read_as_stream(box: Box) -> None:
    path = await written(box, BYTES)
    equal(await read_stream(box, path) == BYTES, True)


@check("files.read(gzip=True)", needs="files.read:gzip")
async def read_gzip(box: Box) -> None:
    path = await written(box, TEXT * 1000)
    equal(await settled(box.files.read(path, gzip=True)), TEXT * 1000)
    equal(await read_stream(box, path, gzip=True), (TEXT * 1000).encode())


@check("files.read(stream_idle_timeout=)", needs="files.read:stream_idle_timeout")
async def read_idle_timeout(box: Box) -> None:
    path = await written(box, BYTES)
    equal(await read_stream(box, path, stream_idle_timeout=10) == BYTES, True)


@check("files.read(user=)", needs="files.read:user")
async def read_user(box: Box) -> None:
    path = await written(box, "ours")
    name = path.rpartition("/")[2]
    equal(await settled(box.files.read(name, user=box.user)), "ours")
    # Relative to the home of root, where it is not.
    await raises("NotFoundException", lambda: box.files.read(name, user="root"))


@check("files.read(path) that does not exist")
async def read_missing(box: Box) -> None:
    missing = box.path("missing")
    error = await raises("FileNotFoundException", lambda: box.files.read(missing))
    assert missing in str(error), error
    await raises("FileNotFoundException", lambda: read_stream(box, missing))


@check("files.read(path) of a directory")
async def read_directory(box: Box) -> None:
    folder = await box.folder()
    await raises("InvalidArgumentException", lambda: box.files.read(folder))


@check("files.write(path, text)")
async def write(box: Box) -> None:
    path = box.path()
    info = await settled(box.files.write(path, TEXT))
    equal((info.path, info.name), (path, path.rpartition("/")[2]))
    equal(getattr(info.type, "value", info.type), "file")
    equal(await box.shell(f"cat {path}; stat -c '%U %G' {path}"), f"{TEXT}{box.user} {box.user}\n")


@check("files.write(path, bytes)")
async def write_bytes(box: Box) -> None:
    path = await written(box, BYTES)
    equal(await box.shell(f"sha256sum < {path}"), await box.shell(digest()))


def digest() -> str:
    """A command that prints what sha256sum says of `BYTES`."""
    import hashlib

    return f"echo '{hashlib.sha256(BYTES).hexdigest()}  -'"


@check("files.write(path, file)")
async def write_file(box: Box) -> None:
    path = box.path()
    await settled(box.files.write(path, io.BytesIO(BYTES)))
    equal(await bytes_of(box, path) == BYTES, True)
    await settled(box.files.write(path, io.StringIO(TEXT)))
    equal(await settled(box.files.read(path)), TEXT)


@check("files.write(path, iterable)", needs="types.SyncWriteEntry")
async def write_iterable(box: Box) -> None:
    async def chunks() -> Any:
        for start in range(0, len(BYTES), 65536):
            yield BYTES[start : start + 65536]

    path = box.path()
    data = iter([BYTES[:1000], BYTES[1000:]]) if box.is_sync else chunks()
    await settled(box.files.write(path, data))
    equal(await bytes_of(box, path) == BYTES, True)


@check("files.write(path) to a file that exists")
async def overwrite(box: Box) -> None:
    path = await written(box, "a longer text than the next")
    await settled(box.files.write(path, "short"))
    equal(await settled(box.files.read(path)), "short")


@check("files.write(path) into directories that do not exist")
async def write_parents(box: Box) -> None:
    folder = box.path("parents")
    await settled(box.files.write(f"{folder}/a/b/file", TEXT))
    equal(await settled(box.files.read(f"{folder}/a/b/file")), TEXT)
    equal(await box.shell(f"stat -c %U {folder} {folder}/a {folder}/a/b"), f"{box.user}\n" * 3)


@check("files.write(path) to a directory")
async def write_directory(box: Box) -> None:
    folder = await box.folder()
    await raises("InvalidArgumentException", lambda: box.files.write(folder, TEXT))


@check("files.write(use_octet_stream=True)", needs="files.write:use_octet_stream")
async def write_octets(box: Box) -> None:
    path = box.path()
    info = await settled(box.files.write(path, BYTES, use_octet_stream=True))
    equal((info.path, await bytes_of(box, path) == BYTES), (path, True))


@check("files.write(gzip=True)", needs="files.write:gzip")
async def write_gzip(box: Box) -> None:
    path = box.path()
    await settled(box.files.write(path, BYTES, gzip=True, use_octet_stream=True))
    equal(await bytes_of(box, path) == BYTES, True)


@check("files.write(metadata=)", needs="files.write:metadata")
async def write_metadata(box: Box) -> None:
    for octets in [False, True]:
        path = box.path()
        metadata = {"Owner": "ada lovelace", "k": "~!"}
        info = await settled(box.files.write(path, TEXT, metadata=metadata, use_octet_stream=octets))
        equal(info.metadata, {"owner": "ada lovelace", "k": "~!"})
        equal((await settled(box.files.get_info(path))).metadata, {"owner": "ada lovelace", "k": "~!"})
        await settled(box.files.write(path, TEXT, metadata={"k": "new"}))
        equal((await settled(box.files.get_info(path))).metadata, {"k": "new"})
        await settled(box.files.write(path, TEXT))
        equal((await settled(box.files.get_info(path))).metadata, None)


@check("files.write(user=)", needs="files.write:user")
async def write_user(box: Box) -> None:
    path = await written(box, "theirs", user="root")
    equal(await box.shell(f"stat -c '%U %G' {path}"), "root root\n")
    await raises("AuthenticationException", lambda: box.files.write(path, "x", user="nobody-of-that-name"))


@check("files.write_files(files)")
async def write_files(box: Box) -> None:
    folder = box.path("many")
    files = [{"path": f"{folder}/{n}/file", "data": f"{n}" if n % 2 else f"{n}".encode()} for n in range(20)]
    infos = await settled(box.files.write_files(files))
    equal([info.path for info in infos], [file["path"] for file in files])
    for number, info in enumerate(infos):
        equal(await settled(box.files.read(info.path)), f"{number}")
    equal(await settled(box.files.write_files([])), [])


@check("files.write_files(use_octet_stream=True)", needs="files.write_files:use_octet_stream")
async def write_files_octets(box: Box) -> None:
    folder = box.path("many")
    files = [{"path": f"{folder}/{n}", "data": f"{n}"} for n in range(5)]
    infos = await settled(box.files.write_files(files, use_octet_stream=True))
    equal([info.path for info in infos], [file["path"] for file in files])
    equal(await box.shell(f"cat {folder}/*"), "01234")


async def tree(box: Box) -> str:
    """A directory with something of everything in it."""
    folder = await box.folder("tree")
    await box.shell(f"cd {folder} && mkdir -p a/b && echo one > one && echo deep > a/b/deep && ln -s one link")
    return folder


@check("files.list(path)")
async def list_directory(box: Box) -> None:
    folder = await tree(box)
    entries = {entry.name: entry for entry in await settled(box.files.list(folder))}
    equal(sorted(entries), ["a", "link", "one"])
    equal({name: entry.path for name, entry in entries.items()}, {name: f"{folder}/{name}" for name in entries})
    equal((entries["a"].type.value, entries["one"].type.value, entries["one"].size), ("dir", "file", 4))
    equal(entries["link"].symlink_target, f"{folder}/one")
    empty = await box.folder("empty")
    equal(await settled(box.files.list(empty)), [])


@check("files.list(depth=)", needs="files.list:depth")
async def list_depth(box: Box) -> None:
    folder = await tree(box)

    async def names(depth: int) -> list[str]:
        entries = await settled(box.files.list(folder, depth=depth))
        return sorted(entry.path.removeprefix(f"{folder}/") for entry in entries)

    equal(await names(1), ["a", "link", "one"])
    equal(await names(2), ["a", "a/b", "link", "one"])
    equal(await names(9), ["a", "a/b", "a/b/deep", "link", "one"])


@check("files.list(user=)", needs="files.list:user")
async def list_user(box: Box) -> None:
    name = (await tree(box)).rpartition("/")[2]
    equal(sorted(entry.name for entry in await settled(box.files.list(name, user=box.user))), ["a", "link", "one"])
    await raises("NotFoundException", lambda: box.files.list(name, user="root"))


@check("files.list(path) that does not exist")
async def list_missing(box: Box) -> None:
    await raises("FileNotFoundException", lambda: box.files.list(box.path("missing")))


@check("files.list(path) of a file")
async def list_file(box: Box) -> None:
    path = await written(box)
    await raises("InvalidArgumentException", lambda: box.files.list(path))


@check("files.exists(path)")
async def exists(box: Box) -> None:
    path = await written(box)
    equal(await settled(box.files.exists(path)), True)
    equal(await settled(box.files.exists(box.home)), True)
    equal(await settled(box.files.exists(box.path("missing"))), False)


@check("files.get_info(path)")
async def get_info(box: Box) -> None:
    path = await written(box, "12345")
    await box.shell(f"chmod 640 {path}")
    info = await settled(box.files.get_info(path))
    equal((info.path, info.name, info.type.value), (path, path.rpartition("/")[2], "file"))
    equal((info.size, oct(info.mode & 0o7777), info.permissions), (5, "0o640", "-rw-r-----"))
    equal((info.owner, info.group), (box.user, box.user))
    modified = info.modified_time.replace(tzinfo=datetime.timezone.utc)
    age = (datetime.datetime.now(datetime.timezone.utc) - modified).total_seconds()
    assert -5 < age < 60, f"modified {age} s ago"


@check("files.get_info(path) of a directory")
async def get_info_directory(box: Box) -> None:
    info = await settled(box.files.get_info(await box.folder()))
    equal((info.type.value, info.permissions), ("dir", "drwxr-xr-x"))


@check("files.get_info(path) of a symbolic link")
async def get_info_link(box: Box) -> None:
    folder = await tree(box)
    info = await settled(box.files.get_info(f"{folder}/link"))
    equal((info.name, info.path, info.symlink_target), ("link", f"{folder}/link", f"{folder}/one"))


@check("files.get_info(path) that does not exist")
async def get_info_missing(box: Box) -> None:
    await raises("FileNotFoundException", lambda: box.files.get_info(box.path("missing")))


@check("files.rename(old, new)")
async def rename(box: Box) -> None:
    old, new = await written(box), box.path("renamed")
    info = await settled(box.files.rename(old, new))
    equal((info.path, info.name), (new, new.rpartition("/")[2]))
    equal((await settled(box.files.exists(old)), await settled(box.files.read(new))), (False, TEXT))
    folder = await tree(box)
    await settled(box.files.rename(folder, f"{folder}-moved"))
    equal(await settled(box.files.read(f"{folder}-moved/a/b/deep")), "deep\n")


@check("files.rename(old, new) over a file")
async def rename_over(box: Box) -> None:
    old, new = await written(box, "old"), await written(box, "new")
    await settled(box.files.rename(old, new))
    equal(await settled(box.files.read(new)), "old")


@check("files.rename(old, new) into directories that do not exist")
async def rename_parents(box: Box) -> None:
    old, new = await written(box, "old"), f"{box.path('parents')}/a/b"
    await settled(box.files.rename(old, new))
    equal(await settled(box.files.read(new)), "old")


@check("files.rename(old, new) that does not exist")
async def rename_missing(box: Box) -> None:
    await raises("FileNotFoundException", lambda: box.files.rename(box.path("missing"), box.path()))


@check("files.remove(path)")
async def remove(box: Box) -> None:
    path, folder = await written(box), await tree(box)
    for one in [path, folder]:
        await settled(box.files.remove(one))
        equal(await settled(box.files.exists(one)), False)
    # As with envd, nothing to remove is no error.
    await settled(box.files.remove(path))


@check("files.make_dir(path)")
async def make_dir(box: Box) -> None:
    folder = f"{box.path('made')}/a/b"
    equal(await settled(box.files.make_dir(folder)), True)
    equal(await settled(box.files.make_dir(folder)), False)
    equal(await box.shell(f"stat -c '%F %U' {folder}"), f"directory {box.user}\n")


@check("files.make_dir(user=)", needs="files.make_dir:user")
async def make_dir_user(box: Box) -> None:
    folder = box.path("made")
    await settled(box.files.make_dir(folder, user="root"))
    equal((await settled(box.files.get_info(folder))).owner, "root")


@check("files.make_dir(path) where a file is")
async def make_dir_file(box: Box) -> None:
    path = await written(box)
    await raises("InvalidArgumentException", lambda: box.files.make_dir(path))
