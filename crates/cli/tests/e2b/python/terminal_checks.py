"""`sandbox.pty`."""

from __future__ import annotations

from box import TICKING, Box, equal, raises, settled
from hearing import Heard, hear_terminal
from registry import check

#: What a terminal echoes must not look like what it is waited for.
SIZE = 'echo "size:" $(stty size)\n'
#: Says so when Control-C ends cat.
INTERRUPTED = """sh -c 'trap "echo cau""ght" INT; echo "rea""dy"; cat'\n"""


async def say(box: Box, pid: int, text: str) -> None:
    await settled(box.pty.send_stdin(pid, text.encode()))


async def ends(box: Box, handle: object, heard: Heard) -> None:
    await say(box, handle.pid, "exit\n")
    await settled(handle.wait())


@check("pty.create(size)")
async def create(box: Box) -> None:
    terminal, heard = await hear_terminal(box)
    await say(box, terminal.pid, SIZE)
    await heard.until("size: 24 80")
    await say(box, terminal.pid, 'echo "is:" $TERM $(id -un) $(tty | cut -c1-8) $PWD.\n')
    await heard.until(f"is: xterm-256color {box.user} /dev/pts {box.home}.")
    await ends(box, terminal, heard)


@check("pty.create(envs=, cwd=)", needs="pty.create:envs")
async def create_where(box: Box) -> None:
    terminal, heard = await hear_terminal(box, envs={"NAME": "value", "TERM": "vt100"}, cwd="/tmp")
    await say(box, terminal.pid, 'echo "is:" $NAME $TERM $PWD.\n')
    await heard.until("is: value vt100 /tmp.")
    await ends(box, terminal, heard)


@check("pty.create(user=)", needs="pty.create:user")
async def create_as(box: Box) -> None:
    terminal, heard = await hear_terminal(box, user="root")
    await say(box, terminal.pid, 'echo "is:" $(id -un) $PWD.\n')
    await heard.until("is: root /root.")
    await ends(box, terminal, heard)


@check("pty.create(timeout=)", needs="pty.create:timeout")
async def create_timeout(box: Box) -> None:
    terminal, _ = await hear_terminal(box, timeout=1)
    await say(box, terminal.pid, f"{TICKING}\n")
    await raises("TimeoutException", terminal.wait)


@check("pty.send_stdin(pid, data)")
async def send_stdin(box: Box) -> None:
    terminal, heard = await hear_terminal(box)
    await say(box, terminal.pid, INTERRUPTED)
    await heard.until("ready\r\n")
    await say(box, terminal.pid, "ü to cat\n")
    await heard.until("ü to cat\r\nü to cat\r\n")
    await say(box, terminal.pid, "\x03")
    await heard.until("caught\r\n")
    await say(box, terminal.pid, "exit 7\n")
    equal((await raises("CommandExitException", terminal.wait)).exit_code, 7)


@check("pty.stream_input(pid, data)", needs="pty.stream_input")
async def stream_input(box: Box) -> None:
    terminal, heard = await hear_terminal(box)
    chunks = ["echo stre", b"am''ed\n", "exit 8\n"]
    if box.is_sync:
        box.pty.stream_input(terminal.pid, iter(chunks))
    else:
        async with box.pty.stream_input(terminal.pid) as stream:
            for chunk in chunks:
                await stream.send(chunk)
    await heard.until("streamed\r\n")
    equal((await raises("CommandExitException", terminal.wait)).exit_code, 8)


@check("pty.resize(pid, size)")
async def resize(box: Box) -> None:
    from e2b import PtySize

    terminal, heard = await hear_terminal(box)
    await settled(box.pty.resize(terminal.pid, PtySize(rows=50, cols=132)))
    await say(box, terminal.pid, SIZE)
    await heard.until("size: 50 132")
    await ends(box, terminal, heard)


@check("pty.connect(pid)")
async def connect(box: Box) -> None:
    terminal, _ = await hear_terminal(box)
    await settled(terminal.disconnect())
    other, heard = await hear_terminal(box, connect_to=terminal.pid)
    equal(other.pid, terminal.pid)
    await say(box, terminal.pid, 'echo "he""re"\n')
    await heard.until("here")
    await ends(box, other, heard)


@check("pty.kill(pid)")
async def kill(box: Box) -> None:
    terminal, _ = await hear_terminal(box)
    equal(await settled(box.pty.kill(terminal.pid)), True)
    error = await raises("CommandExitException", terminal.wait)
    equal((error.exit_code, error.error), (-1, "signal: killed"))
    equal(await settled(box.pty.kill(terminal.pid)), False)


@check("handle.wait(on_pty=)", needs="handle.wait:on_pty")
async def wait_callback(box: Box) -> None:
    terminal, _ = await hear_terminal(box)
    told = bytearray()
    await say(box, terminal.pid, 'echo "wai""ted"; exit\n')
    terminal.wait(on_pty=told.extend)
    assert b"waited\r\n" in told, told
