"""Watching directories."""

from __future__ import annotations

from typing import Any

from box import TICKING, Box, equal, raises, settled, until
from registry import check


class Watch:
    """A watched directory, and all that happened in it so far."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.exits: list[Any] = []
        self.handle: Any = None

    async def poll(self) -> None:
        """The synchronous handle has to be asked; the asynchronous one tells by itself."""
        if hasattr(self.handle, "get_new_events"):
            self.events += self.handle.get_new_events()

    async def until(self, kind: str, name: str) -> Any:
        """Waits for an event of that kind and name."""

        async def look() -> Any:
            await self.poll()
            return next((event for event in self.events if (event.type.value, event.name) == (kind, name)), None)

        return await until(f"{kind} of {name}", look)


async def watch(box: Box, path: str, **options: Any) -> Watch:
    one = Watch()
    if not box.is_sync:
        options["on_event"] = one.events.append
    one.handle = await settled(box.files.watch_dir(path, **options))
    return one


@check("files.watch_dir(path)")
async def watch_dir(box: Box) -> None:
    folder = await box.folder("watched")
    one = await watch(box, folder)
    await settled(box.files.write(f"{folder}/file", "text"))
    await one.until("create", "file")
    await one.until("write", "file")
    await box.shell(f"chmod 600 {folder}/file")
    await one.until("chmod", "file")
    await settled(box.files.rename(f"{folder}/file", f"{folder}/renamed"))
    await one.until("rename", "file")
    await one.until("create", "renamed")
    await settled(box.files.remove(f"{folder}/renamed"))
    await one.until("remove", "renamed")
    await settled(box.files.make_dir(f"{folder}/sub"))
    await one.until("create", "sub")
    await settled(one.handle.stop())


@check("files.watch_dir(path) tells nothing of directories below")
async def watch_flat(box: Box) -> None:
    folder = await box.folder("watched")
    await settled(box.files.make_dir(f"{folder}/sub"))
    one = await watch(box, folder)
    await settled(box.files.write(f"{folder}/sub/below", "text"))
    await settled(box.files.write(f"{folder}/last", "text"))
    await one.until("create", "last")
    assert not [event for event in one.events if "below" in event.name], one.events
    await settled(one.handle.stop())


@check("files.watch_dir(recursive=True)", needs="files.watch_dir:recursive")
async def watch_recursive(box: Box) -> None:
    folder = await box.folder("watched")
    await settled(box.files.make_dir(f"{folder}/old"))
    one = await watch(box, folder, recursive=True)
    await settled(box.files.write(f"{folder}/old/file", "text"))
    await one.until("create", "old/file")
    await one.until("write", "old/file")
    await settled(box.files.make_dir(f"{folder}/new"))
    await one.until("create", "new")
    await settled(box.files.write(f"{folder}/new/file", "text"))
    await one.until("write", "new/file")
    await settled(one.handle.stop())


@check("files.watch_dir(include_entry=True)", needs="files.watch_dir:include_entry")
async def watch_entries(box: Box) -> None:
    folder = await box.folder("watched")
    one = await watch(box, folder, include_entry=True)
    await settled(box.files.write(f"{folder}/file", "text"))
    entry = (await one.until("create", "file")).entry
    equal((entry.path, entry.name, entry.type.value), (f"{folder}/file", "file", "file"))
    equal(entry.owner, box.user)
    await settled(box.files.remove(f"{folder}/file"))
    equal((await one.until("remove", "file")).entry, None)
    await settled(one.handle.stop())


@check("files.watch_dir(allow_network_mounts=True)", needs="files.watch_dir:allow_network_mounts")
async def watch_network(box: Box) -> None:
    folder = await box.folder("watched")
    one = await watch(box, folder, allow_network_mounts=True)
    await settled(box.files.write(f"{folder}/file", "text"))
    await one.until("create", "file")
    await settled(one.handle.stop())


@check("files.watch_dir(user=)", needs="files.watch_dir:user")
async def watch_user(box: Box) -> None:
    folder = await box.folder("watched")
    name = folder.rpartition("/")[2]
    one = await watch(box, name, user=box.user)
    await settled(box.files.write(f"{folder}/file", "text"))
    await one.until("create", "file")
    await settled(one.handle.stop())
    await raises("NotFoundException", lambda: watch(box, name, user="root"))


@check("files.watch_dir(timeout=, on_exit=)", needs="files.watch_dir:on_exit")
async def watch_timeout(box: Box) -> None:
    folder = await box.folder("watched")
    exits: list[Any] = []
    command = await box.background(TICKING.replace("echo tick", f"touch {folder}/file"))
    await watch(box, folder, timeout=0.5, on_exit=exits.append)

    async def exited() -> Any:
        return exits

    await until("the watch ends", exited)
    await settled(command.kill())
    equal(type(exits[0]).__name__, "TimeoutException")


@check("files.watch_dir(path) that does not exist")
async def watch_missing(box: Box) -> None:
    await raises("FileNotFoundException", lambda: watch(box, box.path("missing")))


@check("files.watch_dir(path) of a file")
async def watch_file(box: Box) -> None:
    path = box.path()
    await settled(box.files.write(path, "text"))
    await raises("InvalidArgumentException", lambda: watch(box, path))


@check("watch.get_new_events()", needs="watch.get_new_events")
async def get_new_events(box: Box) -> None:
    folder = await box.folder("watched")
    handle = box.files.watch_dir(folder)
    equal(handle.get_new_events(), [])
    box.files.write(f"{folder}/first", "text")
    one = Watch()
    one.handle = handle
    await one.until("write", "first")
    box.files.write(f"{folder}/second", "text")
    one.events.clear()
    await one.until("create", "second")
    # What was told once is not told again. A file can be written, and its mode be set, in more than one step.
    assert not any(event.name == "first" and event.type.value == "create" for event in one.events), one.events
    handle.stop()


@check("watch.stop()")
async def stop(box: Box) -> None:
    folder = await box.folder("watched")
    one = await watch(box, folder)
    await settled(one.handle.stop())
    await settled(box.files.write(f"{folder}/file", "text"))
    if box.is_sync:
        await raises("SandboxException", one.handle.get_new_events)
    other = await watch(box, folder)
    await settled(box.files.write(f"{folder}/other", "text"))
    await other.until("create", "other")
    equal(one.events, [])
    await settled(other.handle.stop())
