"""`sandbox.commands`."""

from __future__ import annotations

from typing import Any

from box import TICKING, Box, equal, raises, settled, until
from hearing import hear_again, hear_command
from registry import check

#: No process has this number: Linux has at most 2^22.
NO_PID = 4_200_000


async def has_ended(box: Box, pid: int) -> None:
    async def gone() -> bool:
        return pid not in [process.pid for process in await settled(box.commands.list())]

    await until(f"process {pid} ends", gone)


@check("commands.run(cmd)")
async def run(box: Box) -> None:
    result = await settled(box.commands.run("echo out; echo err >&2"))
    equal((result.stdout, result.stderr, result.exit_code), ("out\n", "err\n", 0))
    equal(await box.shell("pwd; id -un; echo $HOME"), f"{box.home}\n{box.user}\n{box.home}\n")
    assert not result.error, result.error


@check("commands.run(cmd) that fails")
async def run_failing(box: Box) -> None:
    error = await raises("CommandExitException", lambda: box.commands.run("echo out; echo err >&2; exit 3"))
    equal((error.stdout, error.stderr, error.exit_code), ("out\n", "err\n", 3))
    equal(error.error, "exit status 3")
    error = await raises("CommandExitException", lambda: box.commands.run("no-such-program"))
    equal(error.exit_code, 127)
    assert "no-such-program" in error.stderr, error.stderr


@check("commands.run(envs=)", needs="commands.run:envs")
async def run_envs(box: Box) -> None:
    equal(await box.shell('echo "$ONE|$TWO"', envs={"ONE": "a b", "TWO": "ü$x"}), "a b|ü$x\n")


@check("commands.run(cwd=)", needs="commands.run:cwd")
async def run_cwd(box: Box) -> None:
    folder = await box.folder()
    equal(await box.shell("pwd", cwd=folder), f"{folder}\n")
    equal(await box.shell("pwd", cwd=folder.removeprefix(f"{box.home}/")), f"{folder}\n")


@check("commands.run(cwd=) that does not exist")
async def run_cwd_missing(box: Box) -> None:
    missing = box.path("missing")
    error = await raises("InvalidArgumentException", lambda: box.commands.run("pwd", cwd=missing))
    assert missing in str(error), error


@check("commands.run(user=)", needs="commands.run:user")
async def run_user(box: Box) -> None:
    equal(await box.shell("id -un; id -gn; echo $HOME; pwd", user="root"), "root\nroot\n/root\n/root\n")
    equal(await box.shell("id -un", user=box.user), f"{box.user}\n")


@check("commands.run(user=) that does not exist")
async def run_user_unknown(box: Box) -> None:
    await raises("AuthenticationException", lambda: box.commands.run("id", user="nobody-of-that-name"))


@check("commands.run(on_stdout=, on_stderr=)", needs="commands.run:on_stdout")
async def run_callbacks(box: Box) -> None:
    told: list[tuple[str, str]] = []
    flag = box.path("flag")

    def on_stdout(text: str) -> Any:
        # The command goes on only when this is called while it runs.
        told.append(("out", text))
        return box.files.write(flag, "")

    command = f"echo one; {box.until_there(flag)}; echo two >&2"
    result = await settled(
        box.commands.run(command, on_stdout=on_stdout, on_stderr=lambda text: told.append(("err", text)))
    )
    equal(told, [("out", "one\n"), ("err", "two\n")])
    equal((result.stdout, result.stderr), ("one\n", "two\n"))


@check("commands.run(timeout=)", needs="commands.run:timeout")
async def run_timeout(box: Box) -> None:
    handle = await box.background(TICKING, timeout=1)
    await raises("TimeoutException", handle.wait)
    await has_ended(box, handle.pid)
    await raises("TimeoutException", lambda: box.commands.run(TICKING, timeout=0.5))


@check("commands.run(timeout=0)")
async def run_without_timeout(box: Box) -> None:
    equal(await box.shell("echo done", timeout=0), "done\n")


@check("commands.run(background=True)")
async def run_background(box: Box) -> None:
    flag = box.path("flag")
    handle = await box.background(f"{box.until_there(flag)}; echo done")
    await settled(box.files.write(flag, ""))
    result = await settled(handle.wait())
    equal((result.stdout, result.exit_code), ("done\n", 0))


@check("commands.run(stdin=True)", needs="commands.run:stdin")
async def run_stdin(box: Box) -> None:
    handle = await box.background("read line; echo got $line", stdin=True)
    await settled(box.commands.send_stdin(handle.pid, "this\n"))
    equal((await settled(handle.wait())).stdout, "got this\n")


@check("commands.run(stdin=False)", needs="commands.run:stdin")
async def run_no_stdin(box: Box) -> None:
    equal(await box.shell("cat; echo end"), "end\n")
    equal(await box.shell("cat; echo end", stdin=False), "end\n")


@check("commands.run(cmd) with 4 MiB of output")
async def run_much_output(box: Box) -> None:
    text = await box.shell("head -c 4194304 /dev/zero | tr '\\0' x; echo end")
    equal((len(text), text.strip("x")), (4194308, "end\n"))


@check("commands.run(cmd) with output in UTF-8")
async def run_unicode(box: Box) -> None:
    equal(await box.shell("printf 'ü€😀\\n'"), "ü€😀\n")


@check("commands.run(retain_output=False)", needs="commands.run:retain_output")
async def run_without_retaining(box: Box) -> None:
    told: list[str] = []
    result = await settled(box.commands.run("echo one", on_stdout=told.append, retain_output=False))
    equal((told, result.stdout, result.stderr, result.exit_code), (["one\n"], None, None, 0))


@check("commands.run(cmd) eight at once")
async def run_together(box: Box) -> None:
    folder = await box.folder()
    meet = f"until test $(ls {folder} | wc -l) = 8; do sleep 0.01; done"
    handles = [await box.background(f"touch {folder}/{one}; {meet}; echo {one}") for one in range(8)]
    outputs = [(await settled(handle.wait())).stdout for handle in handles]
    equal(outputs, [f"{number}\n" for number in range(8)])


@check("commands.list()")
async def list_processes(box: Box) -> None:
    command = "sleep 600"
    handle = await box.background(command, envs={"NAME": "value"}, cwd="/tmp")
    listed = [process for process in await settled(box.commands.list()) if process.pid == handle.pid]
    equal(len(listed), 1)
    process = listed[0]
    equal((process.cmd, process.args), ("/bin/bash", ["-l", "-c", command]))
    equal((process.envs, process.cwd), ({"NAME": "value"}, "/tmp"))
    assert not process.tag, process.tag
    await settled(handle.kill())
    await has_ended(box, handle.pid)


@check("commands.kill(pid)")
async def kill(box: Box) -> None:
    handle = await box.background("sleep 600")
    equal(await settled(box.commands.kill(handle.pid)), True)
    await raises("CommandExitException", handle.wait)
    await has_ended(box, handle.pid)
    equal(await settled(box.commands.kill(handle.pid)), False)
    equal(await settled(box.commands.kill(NO_PID)), False)


@check("commands.kill(pid) ends its children")
async def kill_children(box: Box) -> None:
    handle, heard = await hear_command(box, "sleep 600 & echo child $!.; wait")
    await heard.until(".\n")
    child = heard.text.split()[1].rstrip(".")
    await settled(box.commands.kill(handle.pid))

    async def gone() -> bool:
        return "gone" in await box.shell(f"kill -0 {child} 2>/dev/null || echo gone")

    await until("the child ends", gone)


@check("commands.send_stdin(pid, data)")
async def send_stdin(box: Box) -> None:
    handle, heard = await hear_command(box, "while read line; do echo got $line; done", stdin=True)
    for word in ["one", "two"]:
        await settled(box.commands.send_stdin(handle.pid, f"{word}\n"))
        await heard.until(f"got {word}\n")
    await settled(handle.kill())


@check("commands.send_stdin(pid, data) with bytes", needs="commands.close_stdin")
async def send_bytes(box: Box) -> None:
    handle = await box.background("head -c 4 | od -An -tx1", stdin=True)
    await settled(box.commands.send_stdin(handle.pid, b"\x00\xff\x0a\x80"))
    equal((await settled(handle.wait())).stdout.split(), ["00", "ff", "0a", "80"])


@check("commands.send_stdin(pid, data) without such a process")
async def send_to_nobody(box: Box) -> None:
    await raises("NotFoundException", lambda: box.commands.send_stdin(NO_PID, "x"))


@check("commands.close_stdin(pid)", needs="commands.close_stdin")
async def close_stdin(box: Box) -> None:
    handle = await box.background("cat; echo end", stdin=True)
    await settled(box.commands.send_stdin(handle.pid, "text\n"))
    await settled(box.commands.close_stdin(handle.pid))
    equal((await settled(handle.wait())).stdout, "text\nend\n")


@check("commands.stream_input(pid, data)", needs="commands.stream_input")
async def stream_input(box: Box) -> None:
    handle, heard = await hear_command(box, "cat", stdin=True)
    chunks = ["one ", b"two ", "x" * 100_000, "\nend\n"]
    if box.is_sync:
        box.commands.stream_input(handle.pid, iter(chunks))
    else:
        async with box.commands.stream_input(handle.pid) as stream:
            for chunk in chunks:
                await stream.send(chunk)
    await heard.until("end\n")
    equal(heard.text, "one two " + "x" * 100_000 + "\nend\n")
    await settled(handle.kill())


@check("commands.connect(pid)")
async def connect(box: Box) -> None:
    handle = await box.background("read line; echo got $line; exit 5", stdin=True)
    other, heard = await hear_again(box, handle.pid)
    equal(other.pid, handle.pid)
    await settled(box.commands.send_stdin(handle.pid, "this\n"))
    await heard.until("got this\n")
    for one in [other, handle]:
        equal((await raises("CommandExitException", one.wait)).exit_code, 5)


@check("commands.connect(pid) without such a process")
async def connect_to_nobody(box: Box) -> None:
    await raises("NotFoundException", lambda: box.commands.connect(NO_PID))


@check("commands.connect(pid) after its end")
async def connect_late(box: Box) -> None:
    handle = await box.background("exit 6")
    await raises("CommandExitException", handle.wait)
    late = await settled(box.commands.connect(handle.pid))
    equal((await raises("CommandExitException", late.wait)).exit_code, 6)


@check("commands.connect(timeout=)", needs="commands.connect:timeout")
async def connect_timeout(box: Box) -> None:
    handle = await box.background(TICKING)
    other = await settled(box.commands.connect(handle.pid, timeout=0.5))
    await raises("TimeoutException", other.wait)
    assert handle.pid in [process.pid for process in await settled(box.commands.list())], "only the listener ends"
    await settled(handle.kill())
