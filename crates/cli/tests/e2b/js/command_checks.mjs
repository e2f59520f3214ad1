/** `sandbox.commands`. */

import assert from "node:assert/strict";
import { Heard, raises, until } from "./box.mjs";
import { check } from "./registry.mjs";

/** No process has this number: Linux has at most 2^22. */
const NO_PID = 4_200_000;

check("commands.run(cmd)", async (box) => {
  const result = await box.commands.run("echo out; echo err >&2");
  assert.deepEqual([result.stdout, result.stderr, result.exitCode], ["out\n", "err\n", 0]);
  assert.equal(await box.shell("pwd; id -un; echo $HOME"), `${box.home}\n${box.user}\n${box.home}\n`);
  assert.ok(!result.error, result.error);
});

check("commands.run(cmd) that fails", async (box) => {
  const error = await raises("CommandExitError", () => box.commands.run("echo out; echo err >&2; exit 3"));
  assert.deepEqual([error.stdout, error.stderr, error.exitCode], ["out\n", "err\n", 3]);
  assert.equal(error.error, "exit status 3");
  const missing = await raises("CommandExitError", () => box.commands.run("no-such-program"));
  assert.equal(missing.exitCode, 127);
  assert.match(missing.stderr, /no-such-program/);
});

check("commands.run(envs=)", async (box) => {
  const envs = { ONE: "a b", TWO: "ü$x" };
  assert.equal(await box.shell('echo "$ONE|$TWO"', { envs }), "a b|ü$x\n");
});

check("commands.run(cwd=)", async (box) => {
  const folder = await box.folder();
  assert.equal(await box.shell("pwd", { cwd: folder }), `${folder}\n`);
  assert.equal(await box.shell("pwd", { cwd: folder.slice(box.home.length + 1) }), `${folder}\n`);
});

check("commands.run(cwd=) that does not exist", async (box) => {
  const missing = box.path("missing");
  const error = await raises("InvalidArgumentError", () => box.commands.run("pwd", { cwd: missing }));
  assert.ok(error.message.includes(missing), error.message);
});

check("commands.run(user=)", async (box) => {
  assert.equal(await box.shell("id -un; id -gn; echo $HOME; pwd", { user: "root" }), "root\nroot\n/root\n/root\n");
  assert.equal(await box.shell("id -un", { user: box.user }), `${box.user}\n`);
});

check("commands.run(user=) that does not exist", async (box) => {
  await raises("AuthenticationError", () => box.commands.run("id", { user: "nobody-of-that-name" }));
});

check("commands.run(on_stdout=, on_stderr=)", async (box) => {
  const told = [];
  const flag = box.path("flag");
  const result = await box.commands.run(`echo one; ${box.untilThere(flag)}; echo two >&2`, {
    onStdout: async (text) => {
      // The command goes on only when this is called while it runs.
      told.push(["out", text]);
      await box.files.write(flag, "");
    },
    onStderr: (text) => {
      told.push(["err", text]);
    },
  });
  assert.deepEqual(told, [
    ["out", "one\n"],
    ["err", "two\n"],
  ]);
  assert.deepEqual([result.stdout, result.stderr], ["one\n", "two\n"]);
});

check("commands.run(timeout=)", async (box) => {
  const handle = await box.background("echo begun; sleep 600", { timeoutMs: 1000 });
  await raises("TimeoutError", () => handle.wait());
  await box.hasEnded(handle.pid);
  await raises("TimeoutError", () => box.commands.run("sleep 600", { timeoutMs: 500 }));
});

check("commands.run(timeout=0)", async (box) => {
  assert.equal(await box.shell("echo done", { timeoutMs: 0 }), "done\n");
});

check("commands.run(signal=)", async (box) => {
  const abort = new AbortController();
  const handle = await box.background("sleep 600", { signal: abort.signal });
  abort.abort();
  await assert.rejects(handle.wait());
  assert.ok((await box.pids()).includes(handle.pid), "the command goes on");
  await box.commands.kill(handle.pid);
});

check("commands.run(background=True)", async (box) => {
  const flag = box.path("flag");
  const handle = await box.background(`${box.untilThere(flag)}; echo done`);
  await box.files.write(flag, "");
  const result = await handle.wait();
  assert.deepEqual([result.stdout, result.exitCode], ["done\n", 0]);
});

check("commands.run(stdin=True)", async (box) => {
  const handle = await box.background("read line; echo got $line", { stdin: true });
  await box.commands.sendStdin(handle.pid, "this\n");
  assert.equal((await handle.wait()).stdout, "got this\n");
});

check("commands.run(stdin=False)", async (box) => {
  assert.equal(await box.shell("cat; echo end"), "end\n");
  assert.equal(await box.shell("cat; echo end", { stdin: false }), "end\n");
});

check("commands.run(cmd) with 4 MiB of output", async (box) => {
  const text = await box.shell("head -c 4194304 /dev/zero | tr '\\0' x; echo end");
  assert.deepEqual([text.length, text.replaceAll("x", "")], [4194308, "end\n"]);
});

check("commands.run(cmd) with output in UTF-8", async (box) => {
  assert.equal(await box.shell("printf 'ü€😀\\n'"), "ü€😀\n");
});

check("commands.run(cmd) eight at once", async (box) => {
  const numbers = [0, 1, 2, 3, 4, 5, 6, 7];
  const folder = await box.folder();
  const meet = `until test $(ls ${folder} | wc -l) = 8; do sleep 0.01; done`;
  const outputs = await Promise.all(numbers.map((one) => box.shell(`touch ${folder}/${one}; ${meet}; echo ${one}`)));
  assert.deepEqual(outputs, numbers.map((one) => `${one}\n`));
});

check("commands.list()", async (box) => {
  const command = "sleep 600";
  const handle = await box.background(command, { envs: { NAME: "value" }, cwd: "/tmp" });
  const listed = (await box.commands.list()).filter((one) => one.pid === handle.pid);
  assert.deepEqual(listed, [
    { pid: handle.pid, cmd: "/bin/bash", args: ["-l", "-c", command], envs: { NAME: "value" }, cwd: "/tmp" },
  ]);
  await handle.kill();
  await box.hasEnded(handle.pid);
});

check("commands.kill(pid)", async (box) => {
  const handle = await box.background("sleep 600");
  assert.equal(await box.commands.kill(handle.pid), true);
  await raises("CommandExitError", () => handle.wait());
  await box.hasEnded(handle.pid);
  assert.equal(await box.commands.kill(handle.pid), false);
  assert.equal(await box.commands.kill(NO_PID), false);
});

check("commands.kill(pid) ends its children", async (box) => {
  const { handle, heard } = await box.hear("sleep 600 & echo child $!.; wait");
  await heard.until(".\n");
  const child = heard.text.split(/[ .]/)[1];
  await box.commands.kill(handle.pid);
  await raises("CommandExitError", () => handle.wait());
  await until("the child ends", async () => (await box.shell(`kill -0 ${child} 2>/dev/null || echo gone`)) !== "");
});

check("commands.send_stdin(pid, data)", async (box) => {
  const { handle, heard } = await box.hear("while read line; do echo got $line; done", { stdin: true });
  for (const word of ["one", "two"]) {
    await box.commands.sendStdin(handle.pid, `${word}\n`);
    await heard.until(`got ${word}\n`);
  }
  await handle.kill();
  await raises("CommandExitError", () => handle.wait());
});

check("commands.send_stdin(pid, data) with bytes", async (box) => {
  const handle = await box.background("head -c 4 | od -An -tx1", { stdin: true });
  await box.commands.sendStdin(handle.pid, new Uint8Array([0x00, 0xff, 0x0a, 0x80]));
  assert.equal((await handle.wait()).stdout.trim(), "00 ff 0a 80");
});

check("commands.send_stdin(pid, data) without such a process", async (box) => {
  await raises("NotFoundError", () => box.commands.sendStdin(NO_PID, "x"));
});

check("commands.close_stdin(pid)", async (box) => {
  const handle = await box.background("cat; echo end", { stdin: true });
  await box.commands.sendStdin(handle.pid, "text\n");
  await box.commands.closeStdin(handle.pid);
  assert.equal((await handle.wait()).stdout, "text\nend\n");
});

check("commands.connect(pid)", async (box) => {
  const handle = await box.background("read line; echo got $line; exit 5", { stdin: true });
  const heard = new Heard();
  const other = await box.commands.connect(handle.pid, { onStdout: heard.take });
  assert.equal(other.pid, handle.pid);
  await box.commands.sendStdin(handle.pid, "this\n");
  await heard.until("got this\n");
  for (const one of [other, handle]) {
    assert.equal((await raises("CommandExitError", () => one.wait())).exitCode, 5);
  }
});

check("commands.connect(pid) without such a process", async (box) => {
  await raises("NotFoundError", () => box.commands.connect(NO_PID));
});

check("commands.connect(pid) after its end", async (box) => {
  const handle = await box.background("exit 6");
  await raises("CommandExitError", () => handle.wait());
  const late = await box.commands.connect(handle.pid);
  assert.equal((await raises("CommandExitError", () => late.wait())).exitCode, 6);
});

check("commands.connect(timeout=)", async (box) => {
  const handle = await box.background("sleep 600");
  const other = await box.commands.connect(handle.pid, { timeoutMs: 500 });
  await raises("TimeoutError", () => other.wait());
  assert.ok((await box.pids()).includes(handle.pid), "only the listener ends");
  await handle.kill();
  await raises("CommandExitError", () => handle.wait());
});
