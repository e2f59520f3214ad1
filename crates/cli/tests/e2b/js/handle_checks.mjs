/** The handles of commands. */

import assert from "node:assert/strict";
import { Heard, raises } from "./box.mjs";
import { check } from "./registry.mjs";

check("handle.pid", async (box) => {
  const handle = await box.background("echo $$");
  assert.equal((await handle.wait()).stdout, `${handle.pid}\n`);
});

check("handle.wait()", async (box) => {
  const result = await (await box.background("echo out; echo err >&2")).wait();
  assert.deepEqual([result.stdout, result.stderr, result.exitCode], ["out\n", "err\n", 0]);
  const failing = await box.background("echo out; exit 4");
  const error = await raises("CommandExitError", () => failing.wait());
  assert.deepEqual([error.stdout, error.exitCode, error.error], ["out\n", 4, "exit status 4"]);
});

check(["handle.stdout", "handle.stderr", "handle.exit_code", "handle.error"], async (box) => {
  const { handle, heard } = await box.hear("echo out; echo err >&2; read line; exit 4", { stdin: true });
  await heard.until("out\n");
  await heard.until("err\n");
  assert.deepEqual([handle.stdout, handle.stderr, handle.exitCode], ["out\n", "err\n", undefined]);
  await box.commands.sendStdin(handle.pid, "\n");
  await raises("CommandExitError", () => handle.wait());
  assert.deepEqual([handle.exitCode, handle.error], [4, "exit status 4"]);
});

check("handle.kill()", async (box) => {
  const handle = await box.background("sleep 600");
  assert.equal(await handle.kill(), true);
  const error = await raises("CommandExitError", () => handle.wait());
  assert.deepEqual([error.exitCode, error.error], [-1, "signal: killed"]);
  assert.equal(await handle.kill(), false);
});

check("handle.disconnect()", async (box) => {
  const handle = await box.background("read line; echo got $line", { stdin: true });
  await handle.disconnect();
  assert.ok((await box.pids()).includes(handle.pid), "the command goes on");
  const heard = new Heard();
  const other = await box.commands.connect(handle.pid, { onStdout: heard.take });
  await box.commands.sendStdin(handle.pid, "this\n");
  await heard.until("got this\n");
  await other.wait();
});

check("handle.send_stdin(data)", async (box) => {
  const handle = await box.background("read line; echo got $line", { stdin: true });
  await handle.sendStdin("this\n");
  assert.equal((await handle.wait()).stdout, "got this\n");
});

check("handle.close_stdin()", async (box) => {
  const handle = await box.background("cat; echo end", { stdin: true });
  await handle.closeStdin();
  assert.equal((await handle.wait()).stdout, "end\n");
});
