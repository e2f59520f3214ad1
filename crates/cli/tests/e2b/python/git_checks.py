"""`sandbox.git`, which runs git by `sandbox.commands`."""

from __future__ import annotations

from box import Box, equal, settled
from registry import check


async def repository(box: Box) -> str:
    """A repository with one commit on `main`."""
    path = box.path("repository")
    await settled(box.git.init(path, initial_branch="main"))
    await settled(box.git.configure_user("Ada", "ada@example.org", scope="local", path=path))
    await settled(box.files.write(f"{path}/file", "one\n"))
    await settled(box.git.add(path))
    await settled(box.git.commit(path, "first"))
    return path


async def log(box: Box, path: str) -> str:
    return await box.shell(f"git -C {path} log --format='%s by %an'")


@check("git.init(path)")
async def init(box: Box) -> None:
    path = box.path("repository")
    await settled(box.git.init(path, initial_branch="trunk"))
    equal(await box.shell(f"git -C {path} symbolic-ref HEAD"), "refs/heads/trunk\n")
    await settled(box.git.init(f"{path}-bare", bare=True))
    equal(await box.shell(f"git -C {path}-bare rev-parse --is-bare-repository"), "true\n")


@check("git.status(path)")
async def status(box: Box) -> None:
    path = await repository(box)
    clean = await settled(box.git.status(path))
    equal((clean.current_branch, clean.is_clean), ("main", True))
    await settled(box.files.write(f"{path}/new", "x"))
    dirty = await settled(box.git.status(path))
    equal([(file.name, file.status) for file in dirty.file_status], [("new", "untracked")])


@check("git.add(path)", "git.commit(path, message)")
async def commit(box: Box) -> None:
    path = await repository(box)
    await settled(box.files.write(f"{path}/second", "x"))
    await settled(box.git.add(path, files=["second"]))
    await settled(box.git.commit(path, "a 'quoted' message", author_name="Eve", author_email="eve@example.org"))
    equal(await log(box, path), "a 'quoted' message by Eve\nfirst by Ada\n")


@check("git.branches(path)", "git.create_branch(path, branch)", "git.checkout_branch(path, branch)", "git.delete_branch(path, branch)")
async def branches(box: Box) -> None:
    path = await repository(box)
    await settled(box.git.create_branch(path, "topic"))
    found = await settled(box.git.branches(path))
    equal((sorted(found.branches), found.current_branch), (["main", "topic"], "topic"))
    await settled(box.git.checkout_branch(path, "main"))
    await settled(box.git.delete_branch(path, "topic"))
    equal((await settled(box.git.branches(path))).branches, ["main"])


@check("git.reset(path)", "git.restore(path)")
async def reset(box: Box) -> None:
    path = await repository(box)
    await settled(box.files.write(f"{path}/file", "changed\n"))
    await settled(box.git.restore(path, paths=["file"]))
    equal(await settled(box.files.read(f"{path}/file")), "one\n")
    await settled(box.files.write(f"{path}/file", "changed\n"))
    await settled(box.git.reset(path, mode="hard"))
    equal(await settled(box.files.read(f"{path}/file")), "one\n")


@check("git.clone(url, path)", "git.push(path)", "git.pull(path)", "git.remote_add(path, name, url)", "git.remote_get(path, name)")
async def remotes(box: Box) -> None:
    path = await repository(box)
    bare, copy = f"{path}-bare", f"{path}-copy"
    await settled(box.git.init(bare, bare=True, initial_branch="main"))
    await settled(box.git.remote_add(path, "origin", f"file://{bare}"))
    equal(await settled(box.git.remote_get(path, "origin")), f"file://{bare}")
    await settled(box.git.push(path, remote="origin", branch="main"))
    await settled(box.git.clone(f"file://{bare}", copy))
    equal(await log(box, copy), "first by Ada\n")
    await settled(box.files.write(f"{path}/file", "two\n"))
    await settled(box.git.add(path))
    await settled(box.git.commit(path, "second"))
    await settled(box.git.push(path, remote="origin", branch="main"))
    await settled(box.git.pull(copy))
    equal(await log(box, copy), "second by Ada\nfirst by Ada\n")


@check("git.set_config(key, value)", "git.get_config(key)", "git.configure_user(name, email)")
async def config(box: Box) -> None:
    path = await repository(box)
    await settled(box.git.set_config("core.editor", "a b", scope="local", path=path))
    equal(await settled(box.git.get_config("core.editor", scope="local", path=path)), "a b")
    equal(await settled(box.git.get_config("no.such", scope="local", path=path)), None)
    equal(await settled(box.git.get_config("user.email", scope="local", path=path)), "ada@example.org")


@check("git.dangerously_authenticate(username, password)")
async def authenticate(box: Box) -> None:
    await settled(box.git.dangerously_authenticate("ada", "secret", host="git.example.org"))
    equal(await box.shell("cat ~/.git-credentials"), "https://ada:secret@git.example.org\n")
