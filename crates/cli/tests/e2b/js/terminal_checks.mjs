/** `sandbox.pty`. */

import assert from "node:assert/strict";
import { Heard, raises } from "./box.mjs";
import { check } from "./registry.mjs";

/** What a terminal echoes must not look like what it is waited for. */
const SIZE = 'echo "size:" $(stty size)\n';
/** Says so when Control-C ends cat. */
const INTERRUPTED = `sh -c 'trap "echo cau""ght" INT; echo "rea""dy"; cat'\n`;

/** A terminal of 24 rows and 80 columns. */
async function open(box, options = {}) {
  const heard = new Heard();
  const terminal = await box.pty.create({ rows: 24, cols: 80, onData: heard.take, ...options });
  return { terminal, heard };
}

async function say(box, terminal, text) {
  await box.pty.sendInput(terminal.pid, new TextEncoder().encode(text));
}

async function ends(box, terminal) {
  await say(box, terminal, "exit\n");
  await terminal.wait();
}

check("pty.create(size)", async (box) => {
  const { terminal, heard } = await open(box);
  await say(box, terminal, SIZE);
  await heard.until("size: 24 80");
  await say(box, terminal, 'echo "is:" $TERM $(id -un) $(tty | cut -c1-8) $PWD.\n');
  await heard.until(`is: xterm-256color ${box.user} /dev/pts ${box.home}.`);
  await ends(box, terminal);
});

check("pty.create(envs=, cwd=)", async (box) => {
  const { terminal, heard } = await open(box, { envs: { NAME: "value", TERM: "vt100" }, cwd: "/tmp" });
  await say(box, terminal, 'echo "is:" $NAME $TERM $PWD.\n');
  await heard.until("is: value vt100 /tmp.");
  await ends(box, terminal);
});

check("pty.create(user=)", async (box) => {
  const { terminal, heard } = await open(box, { user: "root" });
  await say(box, terminal, 'echo "is:" $(id -un) $PWD.\n');
  await heard.until("is: root /root.");
  await ends(box, terminal);
});

check("pty.create(timeout=)", async (box) => {
  const { terminal } = await open(box, { timeoutMs: 1000 });
  await raises("TimeoutError", () => terminal.wait());
});

check("pty.send_stdin(pid, data)", async (box) => {
  const { terminal, heard } = await open(box);
  await say(box, terminal, INTERRUPTED);
  await heard.until("ready\r\n");
  await say(box, terminal, "ü to cat\n");
  await heard.until("ü to cat\r\nü to cat\r\n");
  await say(box, terminal, "\x03");
  await heard.until("caught\r\n");
  await say(box, terminal, "exit 7\n");
  assert.equal((await raises("CommandExitError", () => terminal.wait())).exitCode, 7);
});

check("pty.resize(pid, size)", async (box) => {
  const { terminal, heard } = await open(box);
  await box.pty.resize(terminal.pid, { rows: 50, cols: 132 });
  await say(box, terminal, SIZE);
  await heard.until("size: 50 132");
  await ends(box, terminal);
});

check("pty.connect(pid)", async (box) => {
  const { terminal } = await open(box);
  await terminal.disconnect();
  const heard = new Heard();
  const other = await box.pty.connect(terminal.pid, { onData: heard.take });
  assert.equal(other.pid, terminal.pid);
  await say(box, other, 'echo "he""re"\n');
  await heard.until("here");
  await ends(box, other);
});

check("pty.kill(pid)", async (box) => {
  const { terminal } = await open(box);
  assert.equal(await box.pty.kill(terminal.pid), true);
  const error = await raises("CommandExitError", () => terminal.wait());
  assert.deepEqual([error.exitCode, error.error], [-1, "signal: killed"]);
  assert.equal(await box.pty.kill(terminal.pid), false);
});
