/** Watching directories. */

import assert from "node:assert/strict";
import { TimeoutError } from "e2b";
import { nameOf, raises, until } from "./box.mjs";
import { check } from "./registry.mjs";

/** A watched directory, and all that happened in it so far. */
class Watch {
  events = [];

  constructor(handle) {
    this.handle = handle;
  }

  static async of(box, path, options = {}) {
    const events = [];
    const watch = new Watch(await box.files.watchDir(path, (event) => events.push(event), options));
    watch.events = events;
    return watch;
  }

  /** Waits for an event of that kind and name. */
  async until(type, name) {
    return until(`${type} of ${name}`, () => this.events.find((one) => one.type === type && one.name === name));
  }
}

check("files.watch_dir(path)", async (box) => {
  const folder = await box.folder("watched");
  const watch = await Watch.of(box, folder);
  await box.files.write(`${folder}/file`, "text");
  await watch.until("create", "file");
  await watch.until("write", "file");
  await box.shell(`chmod 600 ${folder}/file`);
  await watch.until("chmod", "file");
  await box.files.rename(`${folder}/file`, `${folder}/renamed`);
  await watch.until("rename", "file");
  await watch.until("create", "renamed");
  await box.files.remove(`${folder}/renamed`);
  await watch.until("remove", "renamed");
  await box.files.makeDir(`${folder}/sub`);
  await watch.until("create", "sub");
  await watch.handle.stop();
});

check("files.watch_dir(path) tells nothing of directories below", async (box) => {
  const folder = await box.folder("watched");
  await box.files.makeDir(`${folder}/sub`);
  const watch = await Watch.of(box, folder);
  await box.files.write(`${folder}/sub/below`, "text");
  await box.files.write(`${folder}/last`, "text");
  await watch.until("create", "last");
  assert.deepEqual(watch.events.filter((event) => event.name.includes("below")), []);
  await watch.handle.stop();
});

check("files.watch_dir(recursive=True)", async (box) => {
  const folder = await box.folder("watched");
  await box.files.makeDir(`${folder}/old`);
  const watch = await Watch.of(box, folder, { recursive: true });
  await box.files.write(`${folder}/old/file`, "text");
  await watch.until("create", "old/file");
  await watch.until("write", "old/file");
  await box.files.makeDir(`${folder}/new`);
  await watch.until("create", "new");
  await box.files.write(`${folder}/new/file`, "text");
  await watch.until("write", "new/file");
  await watch.handle.stop();
});

check("files.watch_dir(include_entry=True)", async (box) => {
  const folder = await box.folder("watched");
  const watch = await Watch.of(box, folder, { includeEntry: true });
  await box.files.write(`${folder}/file`, "text");
  const { entry } = await watch.until("create", "file");
  assert.deepEqual([entry.path, entry.name, entry.type], [`${folder}/file`, "file", "file"]);
  assert.equal(entry.owner, box.user);
  await box.files.remove(`${folder}/file`);
  assert.equal((await watch.until("remove", "file")).entry, undefined);
  await watch.handle.stop();
});

check("files.watch_dir(allow_network_mounts=True)", async (box) => {
  const folder = await box.folder("watched");
  const watch = await Watch.of(box, folder, { allowNetworkMounts: true });
  await box.files.write(`${folder}/file`, "text");
  await watch.until("create", "file");
  await watch.handle.stop();
});

check("files.watch_dir(user=)", async (box) => {
  const folder = await box.folder("watched");
  const watch = await Watch.of(box, nameOf(folder), { user: box.user });
  await box.files.write(`${folder}/file`, "text");
  await watch.until("create", "file");
  await watch.handle.stop();
  await raises("NotFoundError", () => Watch.of(box, nameOf(folder), { user: "root" }));
});

check("files.watch_dir(timeout=, on_exit=)", async (box) => {
  const folder = await box.folder("watched");
  const exits = [];
  await Watch.of(box, folder, { timeoutMs: 500, onExit: (error) => exits.push(error) });
  await until("the watch ends", () => exits.length > 0);
  assert.ok(exits[0] instanceof TimeoutError, `${exits[0]}`);
});

check("files.watch_dir(path) that does not exist", async (box) => {
  await raises("FileNotFoundError", () => Watch.of(box, box.path("missing")));
});

check("files.watch_dir(path) of a file", async (box) => {
  const path = box.path();
  await box.files.write(path, "text");
  await raises("InvalidArgumentError", () => Watch.of(box, path));
});

check("watch.stop()", async (box) => {
  const folder = await box.folder("watched");
  const watch = await Watch.of(box, folder);
  await watch.handle.stop();
  await box.files.write(`${folder}/file`, "text");
  const other = await Watch.of(box, folder);
  await box.files.write(`${folder}/other`, "text");
  await other.until("create", "other");
  assert.deepEqual(watch.events, []);
  await other.handle.stop();
});
