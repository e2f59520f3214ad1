/** `sandbox.git`, which runs git by `sandbox.commands`. */

import assert from "node:assert/strict";
import { check } from "./registry.mjs";

/** A repository with one commit on `main`. */
async function repository(box) {
  const path = box.path("repository");
  await box.git.init(path, { initialBranch: "main" });
  await box.git.configureUser("Ada", "ada@example.org", { scope: "local", path });
  await box.files.write(`${path}/file`, "one\n");
  await box.git.add(path);
  await box.git.commit(path, "first");
  return path;
}

async function log(box, path) {
  return box.shell(`git -C ${path} log --format='%s by %an'`);
}

check("git.init(path)", async (box) => {
  const path = box.path("repository");
  await box.git.init(path, { initialBranch: "trunk" });
  assert.equal(await box.shell(`git -C ${path} symbolic-ref HEAD`), "refs/heads/trunk\n");
  await box.git.init(`${path}-bare`, { bare: true });
  assert.equal(await box.shell(`git -C ${path}-bare rev-parse --is-bare-repository`), "true\n");
});

check("git.status(path)", async (box) => {
  const path = await repository(box);
  const clean = await box.git.status(path);
  assert.deepEqual([clean.currentBranch, clean.isClean], ["main", true]);
  await box.files.write(`${path}/new`, "x");
  const { fileStatus } = await box.git.status(path);
  assert.deepEqual(fileStatus.map((file) => [file.name, file.status]), [["new", "untracked"]]);
});

check(["git.add(path)", "git.commit(path, message)"], async (box) => {
  const path = await repository(box);
  await box.files.write(`${path}/second`, "x");
  await box.git.add(path, { files: ["second"] });
  await box.git.commit(path, "a 'quoted' message", { authorName: "Eve", authorEmail: "eve@example.org" });
  assert.equal(await log(box, path), "a 'quoted' message by Eve\nfirst by Ada\n");
});

check(["git.branches(path)", "git.create_branch(path, branch)", "git.checkout_branch(path, branch)", "git.delete_branch(path, branch)"], async (box) => {
  const path = await repository(box);
  await box.git.createBranch(path, "topic");
  const found = await box.git.branches(path);
  assert.deepEqual([found.branches.sort(), found.currentBranch], [["main", "topic"], "topic"]);
  await box.git.checkoutBranch(path, "main");
  await box.git.deleteBranch(path, "topic");
  assert.deepEqual((await box.git.branches(path)).branches, ["main"]);
});

check(["git.reset(path)", "git.restore(path)"], async (box) => {
  const path = await repository(box);
  await box.files.write(`${path}/file`, "changed\n");
  await box.git.restore(path, { paths: ["file"] });
  assert.equal(await box.files.read(`${path}/file`), "one\n");
  await box.files.write(`${path}/file`, "changed\n");
  await box.git.reset(path, { mode: "hard" });
  assert.equal(await box.files.read(`${path}/file`), "one\n");
});

check(["git.clone(url, path)", "git.push(path)", "git.pull(path)", "git.remote_add(path, name, url)", "git.remote_get(path, name)"], async (box) => {
  const path = await repository(box);
  const [bare, copy] = [`${path}-bare`, `${path}-copy`];
  await box.git.init(bare, { bare: true, initialBranch: "main" });
  await box.git.remoteAdd(path, "origin", `file://${bare}`);
  assert.equal(await box.git.remoteGet(path, "origin"), `file://${bare}`);
  await box.git.push(path, { remote: "origin", branch: "main" });
  await box.git.clone(`file://${bare}`, { path: copy });
  assert.equal(await log(box, copy), "first by Ada\n");
  await box.files.write(`${path}/file`, "two\n");
  await box.git.add(path);
  await box.git.commit(path, "second");
  await box.git.push(path, { remote: "origin", branch: "main" });
  await box.git.pull(copy);
  assert.equal(await log(box, copy), "second by Ada\nfirst by Ada\n");
});

check(["git.set_config(key, value)", "git.get_config(key)", "git.configure_user(name, email)"], async (box) => {
  const path = await repository(box);
  const local = { scope: "local", path };
  await box.git.setConfig("core.editor", "a b", local);
  assert.equal(await box.git.getConfig("core.editor", local), "a b");
  assert.equal(await box.git.getConfig("no.such", local), undefined);
  assert.equal(await box.git.getConfig("user.email", local), "ada@example.org");
});

check("git.dangerously_authenticate(username, password)", async (box) => {
  await box.git.dangerouslyAuthenticate({ username: "ada", password: "secret", host: "git.example.org" });
  assert.equal(await box.shell("cat ~/.git-credentials"), "https://ada:secret@git.example.org\n");
});
