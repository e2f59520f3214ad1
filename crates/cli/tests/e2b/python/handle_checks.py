"""The handles of commands."""

from __future__ import annotations

from box import Box, equal, raises, settled
from hearing import hear_again, hear_command
from registry import check


@check("handle.pid")
async def pid(box: Box) -> None:
    handle = await box.background("echo $$")
    equal((await settled(handle.wait())).stdout, f"{handle.pid}\n")


@check("handle.wait()")
async def wait(box: Box) -> None:
    handle = await box.background("echo out; echo err >&2")
    result = await settled(handle.wait())
    equal((result.stdout, result.stderr, result.exit_code), ("out\n", "err\n", 0))
    failing = await box.background("echo out; exit 4")
    error = await raises("CommandExitException", failing.wait)
    equal((error.stdout, error.exit_code, error.error), ("out\n", 4, "exit status 4"))


@check("handle.wait(on_stdout=, on_stderr=)", needs="handle.wait:on_stdout")
async def wait_callbacks(box: Box) -> None:
    told: list[tuple[str, str]] = []
    flag = box.path("flag")

    def on_stdout(text: str) -> None:
        told.append(("out", text))
        box.files.write(flag, "")

    handle = await box.background(f"echo one; {box.until_there(flag)}; echo two >&2")
    handle.wait(on_stdout=on_stdout, on_stderr=lambda text: told.append(("err", text)))
    equal(told, [("out", "one\n"), ("err", "two\n")])


@check("for stdout, stderr, pty in handle", needs="handle.__iter__")
async def iterate(box: Box) -> None:
    flag = box.path("flag")
    told = []
    for chunk in await box.background(f"echo one; {box.until_there(flag)}; echo two >&2"):
        told.append(chunk)
        box.files.write(flag, "")
    equal(told, [("one\n", None, None), (None, "two\n", None)])


@check("handle.stdout", "handle.stderr", "handle.exit_code", "handle.error", flavours=("async",))
async def properties(box: Box) -> None:
    handle, heard = await hear_command(box, "echo out; echo err >&2; read line; exit 4", stdin=True)
    await heard.until("out\n")
    await heard.until("err\n")
    equal((handle.stdout, handle.stderr, handle.exit_code, handle.error), ("out\n", "err\n", None, None))
    await settled(box.commands.send_stdin(handle.pid, "\n"))
    await raises("CommandExitException", handle.wait)
    equal((handle.exit_code, handle.error), (4, "exit status 4"))


@check("handle.kill()")
async def kill(box: Box) -> None:
    handle = await box.background("sleep 600")
    equal(await settled(handle.kill()), True)
    error = await raises("CommandExitException", handle.wait)
    equal((error.exit_code, error.error), (-1, "signal: killed"))
    equal(await settled(handle.kill()), False)


@check("handle.disconnect()")
async def disconnect(box: Box) -> None:
    handle = await box.background("read line; echo got $line", stdin=True)
    await settled(handle.disconnect())
    assert handle.pid in [process.pid for process in await settled(box.commands.list())], "the command goes on"
    other, heard = await hear_again(box, handle.pid)
    await settled(box.commands.send_stdin(handle.pid, "this\n"))
    await heard.until("got this\n")
    await settled(other.wait())


@check("handle.send_stdin(data)", needs="handle.send_stdin")
async def send_stdin(box: Box) -> None:
    handle = await box.background("read line; echo got $line", stdin=True)
    await settled(handle.send_stdin("this\n"))
    equal((await settled(handle.wait())).stdout, "got this\n")


@check("handle.close_stdin()", needs="handle.close_stdin")
async def close_stdin(box: Box) -> None:
    handle = await box.background("cat; echo end", stdin=True)
    await settled(handle.close_stdin())
    equal((await settled(handle.wait())).stdout, "end\n")
