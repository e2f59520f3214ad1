/** `sandbox.files`, without watching. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { bytesOf, nameOf, raises } from "./box.mjs";
import { check } from "./registry.mjs";

/** All bytes, and more than one buffer of them. */
const BYTES = Buffer.alloc(256 * 4096, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
const TEXT = "ü€😀\n".repeat(3);

/** Exactly these bytes, as the SDK takes them. */
function arrayBuffer(bytes) {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/** The path of a new file. */
async function written(box, contents = TEXT, options = {}) {
  const path = box.path();
  await box.files.write(path, contents, options);
  return path;
}

async function holdsBytes(box, path) {
  const found = await box.files.read(path, { format: "bytes" });
  assert.ok(BYTES.equals(Buffer.from(found)), `${found.length} bytes that are others`);
}

check("files.read(path)", async (box) => {
  const path = await written(box);
  assert.equal(await box.files.read(path), TEXT);
  assert.equal(await box.files.read(path.slice(box.home.length + 1)), TEXT);
});

check("files.read(path) of an empty file", async (box) => {
  const path = await written(box, "");
  assert.equal(await box.files.read(path), "");
  assert.equal((await box.files.read(path, { format: "bytes" })).length, 0);
});

check('files.read(format="bytes")', async (box) => {
  await holdsBytes(box, await written(box, arrayBuffer(BYTES)));
});

check('files.read(format="stream")', async (box) => {
  const path = await written(box, arrayBuffer(BYTES));
  assert.ok(BYTES.equals(await bytesOf(await box.files.read(path, { format: "stream" }))));
});

check('files.read(format="blob")', async (box) => {
  const path = await written(box, arrayBuffer(BYTES));
  const blob = await box.files.read(path, { format: "blob" });
  assert.ok(BYTES.equals(Buffer.from(await blob.arrayBuffer())));
});

check("files.read(gzip=True)", async (box) => {
  const path = await written(box, TEXT.repeat(1000));
  assert.equal(await box.files.read(path, { gzip: true }), TEXT.repeat(1000));
  const stream = await box.files.read(path, { format: "stream", gzip: true });
  assert.equal((await bytesOf(stream)).toString(), TEXT.repeat(1000));
});

check("files.read(stream_idle_timeout=)", async (box) => {
  const path = await written(box, arrayBuffer(BYTES));
  const stream = await box.files.read(path, { format: "stream", streamIdleTimeoutMs: 10_000 });
  assert.ok(BYTES.equals(await bytesOf(stream)));
});

check("files.read(user=)", async (box) => {
  const name = nameOf(await written(box, "ours"));
  assert.equal(await box.files.read(name, { user: box.user }), "ours");
  // Relative to the home of root, where it is not.
  await raises("NotFoundError", () => box.files.read(name, { user: "root" }));
});

check("files.read(path) that does not exist", async (box) => {
  const missing = box.path("missing");
  const error = await raises("FileNotFoundError", () => box.files.read(missing));
  assert.ok(error.message.includes(missing), error.message);
  await raises("FileNotFoundError", () => box.files.read(missing, { format: "stream" }));
});

check("files.read(path) of a directory", async (box) => {
  const folder = await box.folder();
  await raises("InvalidArgumentError", () => box.files.read(folder));
});

check("files.write(path, text)", async (box) => {
  const path = box.path();
  const info = await box.files.write(path, TEXT);
  assert.deepEqual([info.path, info.name, info.type], [path, nameOf(path), "file"]);
  assert.equal(await box.shell(`cat ${path}; stat -c '%U %G' ${path}`), `${TEXT}${box.user} ${box.user}\n`);
});

check("files.write(path, bytes)", async (box) => {
  const path = await written(box, arrayBuffer(BYTES));
  const digest = createHash("sha256").update(BYTES).digest("hex");
  assert.equal(await box.shell(`sha256sum < ${path}`), `${digest}  -\n`);
});

check("files.write(path, file)", async (box) => {
  await holdsBytes(box, await written(box, new Blob([BYTES])));
});

check("files.write(path, iterable)", async (box) => {
  const stream = new Blob([BYTES]).stream();
  await holdsBytes(box, await written(box, stream));
});

check("files.write(path) to a file that exists", async (box) => {
  const path = await written(box, "a longer text than the next");
  await box.files.write(path, "short");
  assert.equal(await box.files.read(path), "short");
});

check("files.write(path) into directories that do not exist", async (box) => {
  const folder = box.path("parents");
  await box.files.write(`${folder}/a/b/file`, TEXT);
  assert.equal(await box.files.read(`${folder}/a/b/file`), TEXT);
  assert.equal(await box.shell(`stat -c %U ${folder} ${folder}/a ${folder}/a/b`), `${box.user}\n`.repeat(3));
});

check("files.write(path) to a directory", async (box) => {
  const folder = await box.folder();
  await raises("InvalidArgumentError", () => box.files.write(folder, TEXT));
});

check("files.write(use_octet_stream=True)", async (box) => {
  const path = box.path();
  const info = await box.files.write(path, arrayBuffer(BYTES), { useOctetStream: true });
  assert.equal(info.path, path);
  await holdsBytes(box, path);
});

check("files.write(gzip=True)", async (box) => {
  await holdsBytes(box, await written(box, arrayBuffer(BYTES), { gzip: true }));
});

check("files.write(metadata=)", async (box) => {
  const metadata = { Owner: "ada lovelace", k: "~!" };
  const stored = { owner: "ada lovelace", k: "~!" };
  for (const useOctetStream of [false, true]) {
    const path = box.path();
    const info = await box.files.write(path, TEXT, { metadata, useOctetStream });
    assert.deepEqual(info.metadata, stored);
    assert.deepEqual((await box.files.getInfo(path)).metadata, stored);
    await box.files.write(path, TEXT, { metadata: { k: "new" } });
    assert.deepEqual((await box.files.getInfo(path)).metadata, { k: "new" });
    await box.files.write(path, TEXT);
    assert.equal((await box.files.getInfo(path)).metadata, undefined);
  }
});

check("files.write(user=)", async (box) => {
  const path = await written(box, "theirs", { user: "root" });
  assert.equal(await box.shell(`stat -c '%U %G' ${path}`), "root root\n");
  await raises("AuthenticationError", () => box.files.write(path, "x", { user: "nobody-of-that-name" }));
});

check("files.write_files(files)", async (box) => {
  const folder = box.path("many");
  const numbers = Array.from({ length: 20 }, (_, one) => `${one}`);
  const files = numbers.map((one) => ({ path: `${folder}/${one}/file`, data: one }));
  const infos = await box.files.writeFiles(files);
  assert.deepEqual(infos.map((info) => info.path), files.map((file) => file.path));
  for (const file of files) {
    assert.equal(await box.files.read(file.path), file.data);
  }
  assert.deepEqual(await box.files.writeFiles([]), []);
});

check("files.write_files(use_octet_stream=True)", async (box) => {
  const folder = box.path("many");
  const files = ["0", "1", "2", "3", "4"].map((one) => ({ path: `${folder}/${one}`, data: one }));
  const infos = await box.files.writeFiles(files, { useOctetStream: true });
  assert.deepEqual(infos.map((info) => info.path), files.map((file) => file.path));
  assert.equal(await box.shell(`cat ${folder}/*`), "01234");
});

/** A directory with something of everything in it. */
async function tree(box) {
  const folder = await box.folder("tree");
  await box.shell(`cd ${folder} && mkdir -p a/b && echo one > one && echo deep > a/b/deep && ln -s one link`);
  return folder;
}

check("files.list(path)", async (box) => {
  const folder = await tree(box);
  const entries = (await box.files.list(folder)).sort((one, other) => one.name.localeCompare(other.name));
  assert.deepEqual(entries.map((entry) => entry.path), ["a", "link", "one"].map((name) => `${folder}/${name}`));
  const [directory, link, file] = entries;
  assert.deepEqual([directory.type, file.type, file.size], ["dir", "file", 4]);
  assert.equal(link.symlinkTarget, `${folder}/one`);
  assert.deepEqual(await box.files.list(await box.folder("empty")), []);
});

check("files.list(depth=)", async (box) => {
  const folder = await tree(box);
  const names = async (depth) =>
    (await box.files.list(folder, { depth })).map((entry) => entry.path.slice(folder.length + 1)).sort();
  assert.deepEqual(await names(1), ["a", "link", "one"]);
  assert.deepEqual(await names(2), ["a", "a/b", "link", "one"]);
  assert.deepEqual(await names(9), ["a", "a/b", "a/b/deep", "link", "one"]);
});

check("files.list(user=)", async (box) => {
  const name = nameOf(await tree(box));
  const entries = await box.files.list(name, { user: box.user });
  assert.deepEqual(entries.map((entry) => entry.name).sort(), ["a", "link", "one"]);
  await raises("NotFoundError", () => box.files.list(name, { user: "root" }));
});

check("files.list(path) that does not exist", async (box) => {
  await raises("FileNotFoundError", () => box.files.list(box.path("missing")));
});

check("files.list(path) of a file", async (box) => {
  const path = await written(box);
  await raises("InvalidArgumentError", () => box.files.list(path));
});

check("files.exists(path)", async (box) => {
  assert.equal(await box.files.exists(await written(box)), true);
  assert.equal(await box.files.exists(box.home), true);
  assert.equal(await box.files.exists(box.path("missing")), false);
});

check("files.get_info(path)", async (box) => {
  const path = await written(box, "12345");
  await box.shell(`chmod 640 ${path}`);
  const info = await box.files.getInfo(path);
  assert.deepEqual([info.path, info.name, info.type], [path, nameOf(path), "file"]);
  assert.deepEqual([info.size, info.mode & 0o7777, info.permissions], [5, 0o640, "-rw-r-----"]);
  assert.deepEqual([info.owner, info.group], [box.user, box.user]);
  const age = Date.now() - info.modifiedTime.getTime();
  assert.ok(age > -5000 && age < 60_000, `modified ${age} ms ago`);
});

check("files.get_info(path) of a directory", async (box) => {
  const info = await box.files.getInfo(await box.folder());
  assert.deepEqual([info.type, info.permissions], ["dir", "drwxr-xr-x"]);
});

check("files.get_info(path) of a symbolic link", async (box) => {
  const folder = await tree(box);
  const info = await box.files.getInfo(`${folder}/link`);
  assert.deepEqual([info.name, info.path, info.symlinkTarget], ["link", `${folder}/link`, `${folder}/one`]);
});

check("files.get_info(path) that does not exist", async (box) => {
  await raises("FileNotFoundError", () => box.files.getInfo(box.path("missing")));
});

check("files.rename(old, new)", async (box) => {
  const [old, renamed] = [await written(box), box.path("renamed")];
  const info = await box.files.rename(old, renamed);
  assert.deepEqual([info.path, info.name], [renamed, nameOf(renamed)]);
  assert.deepEqual([await box.files.exists(old), await box.files.read(renamed)], [false, TEXT]);
  const folder = await tree(box);
  await box.files.rename(folder, `${folder}-moved`);
  assert.equal(await box.files.read(`${folder}-moved/a/b/deep`), "deep\n");
});

check("files.rename(old, new) over a file", async (box) => {
  const [old, other] = [await written(box, "old"), await written(box, "new")];
  await box.files.rename(old, other);
  assert.equal(await box.files.read(other), "old");
});

check("files.rename(old, new) into directories that do not exist", async (box) => {
  const [old, renamed] = [await written(box, "old"), `${box.path("parents")}/a/b`];
  await box.files.rename(old, renamed);
  assert.equal(await box.files.read(renamed), "old");
});

check("files.rename(old, new) that does not exist", async (box) => {
  await raises("FileNotFoundError", () => box.files.rename(box.path("missing"), box.path()));
});

check("files.remove(path)", async (box) => {
  const [path, folder] = [await written(box), await tree(box)];
  for (const one of [path, folder]) {
    await box.files.remove(one);
    assert.equal(await box.files.exists(one), false);
  }
  // As with envd, nothing to remove is no error.
  await box.files.remove(path);
});

check("files.make_dir(path)", async (box) => {
  const folder = `${box.path("made")}/a/b`;
  assert.equal(await box.files.makeDir(folder), true);
  assert.equal(await box.files.makeDir(folder), false);
  assert.equal(await box.shell(`stat -c '%F %U' ${folder}`), `directory ${box.user}\n`);
});

check("files.make_dir(user=)", async (box) => {
  const folder = box.path("made");
  await box.files.makeDir(folder, { user: "root" });
  assert.equal((await box.files.getInfo(folder)).owner, "root");
});

check("files.make_dir(path) where a file is", async (box) => {
  const path = await written(box);
  await raises("InvalidArgumentError", () => box.files.makeDir(path));
});
