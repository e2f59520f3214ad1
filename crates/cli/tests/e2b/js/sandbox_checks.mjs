/** What a sandbox offers itself, without the control plane. */

import assert from "node:assert/strict";
import { check } from "./registry.mjs";

/** Status and body, by plain HTTP and without the SDK. */
async function fetched(url, options = {}) {
  const response = await fetch(url, options);
  return [response.status, await response.text()];
}

/** A form with one file. */
function form(contents) {
  const body = new FormData();
  body.append("file", new Blob([contents]), "name");
  return { method: "POST", body };
}

async function put(box, contents) {
  const path = box.path("ü file");
  await box.files.write(path, contents);
  return path;
}

check("sandbox.is_running()", async (box) => {
  assert.equal(await box.sandbox.isRunning(), true);
  assert.equal(await box.sandbox.isRunning({ requestTimeoutMs: 5000 }), true);
});

check("sandbox.download_url(path)", async (box) => {
  const path = await put(box, "download");
  assert.deepEqual(await fetched(await box.sandbox.downloadUrl(path)), [200, "download"]);
});

check("sandbox.download_url(user=)", async (box) => {
  const path = await put(box, "relative");
  const url = await box.sandbox.downloadUrl(path.slice(box.home.length + 1), { user: box.user });
  assert.deepEqual(await fetched(url), [200, "relative"]);
});

check(
  "sandbox.download_url(use_signature_expiration=)",
  async (box) => {
    const path = await put(box, "download");
    const url = await box.sandbox.downloadUrl(path, { useSignatureExpiration: 60 });
    assert.deepEqual(await fetched(url), [200, "download"]);
    const late = await box.sandbox.downloadUrl(path, { useSignatureExpiration: -60 });
    assert.equal((await fetched(late))[0], 401);
  },
  ["url"],
);

check("sandbox.upload_url(path)", async (box) => {
  const path = box.path();
  assert.equal((await fetched(await box.sandbox.uploadUrl(path), form("upload")))[0], 200);
  assert.equal(await box.files.read(path), "upload");
});

check("sandbox.upload_url(user=)", async (box) => {
  const path = box.path();
  assert.equal((await fetched(await box.sandbox.uploadUrl(path, { user: "root" }), form("upload")))[0], 200);
  assert.equal((await box.files.getInfo(path)).owner, "root");
});

check(
  "sandbox.upload_url(use_signature_expiration=)",
  async (box) => {
    const path = box.path();
    const url = await box.sandbox.uploadUrl(path, { useSignatureExpiration: 60 });
    assert.equal((await fetched(url, form("upload")))[0], 200);
    const late = await box.sandbox.uploadUrl(box.path(), { useSignatureExpiration: -60 });
    assert.equal((await fetched(late, form("upload")))[0], 401);
  },
  ["url"],
);

check(
  "signed URLs that were changed are refused",
  async (box) => {
    const path = await put(box, "secret");
    const url = new URL(await box.sandbox.downloadUrl(path));
    // A signature to read is none to write.
    assert.equal((await fetched(url, form("x")))[0], 401);
    url.searchParams.set("path", await put(box, "other"));
    assert.equal((await fetched(url))[0], 401);
  },
  ["url"],
);

check(
  "calls without the access token are refused",
  async (box) => {
    const base = process.env.E2B_SANDBOX_URL;
    const files = new URL("/files", base);
    files.searchParams.set("path", await put(box, "secret"));
    assert.equal((await fetched(files))[0], 401);
    assert.equal((await fetched(files, { headers: { "X-Access-Token": "wrong" } }))[0], 401);
    const headers = { "Content-Type": "application/json", "Connect-Protocol-Version": "1" };
    const call = { method: "POST", body: "{}", headers };
    assert.equal((await fetched(new URL("/process.Process/List", base), call))[0], 401);
    assert.equal((await fetched(new URL("/health", base)))[0], 204);
  },
  ["url"],
);
