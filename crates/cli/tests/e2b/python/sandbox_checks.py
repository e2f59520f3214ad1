"""What a sandbox offers itself, without the control plane."""

from __future__ import annotations

import os
import urllib.error
import urllib.parse
import urllib.request

from box import Box, equal, settled
from registry import check


def fetch(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body, by plain HTTP and without the SDK."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def form(contents: bytes) -> tuple[bytes, dict[str, str]]:
    """A form with one file, and the header that says so."""
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="name"\r\n\r\n'
    return head + contents + b"\r\n--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"}


async def put(box: Box, contents: str) -> str:
    path = box.path("ü file")
    await settled(box.files.write(path, contents))
    return path


@check("sandbox.is_running()")
async def is_running(box: Box) -> None:
    equal(await settled(box.sandbox.is_running()), True)
    equal(await settled(box.sandbox.is_running(request_timeout=5)), True)


@check("sandbox.download_url(path)")
async def download_url(box: Box) -> None:
    path = await put(box, "download")
    equal(fetch(await settled(box.sandbox.download_url(path))), (200, b"download"))


@check("sandbox.download_url(user=)", needs="sandbox.download_url:user")
async def download_url_user(box: Box) -> None:
    path = await put(box, "relative")
    name = path.rpartition("/")[2]
    equal(fetch(await settled(box.sandbox.download_url(name, user=box.user))), (200, b"relative"))


@check("sandbox.download_url(use_signature_expiration=)", modes=("url",))
async def download_url_expiring(box: Box) -> None:
    path = await put(box, "download")
    url = await settled(box.sandbox.download_url(path, use_signature_expiration=60))
    equal(fetch(url), (200, b"download"))
    late = await settled(box.sandbox.download_url(path, use_signature_expiration=-60))
    equal(fetch(late)[0], 401)


@check("sandbox.upload_url(path)")
async def upload_url(box: Box) -> None:
    path = box.path()
    status, _ = fetch(await settled(box.sandbox.upload_url(path)), *form(b"upload"))
    equal((status, await settled(box.files.read(path))), (200, "upload"))


@check("sandbox.upload_url(user=)", needs="sandbox.upload_url:user")
async def upload_url_user(box: Box) -> None:
    path = box.path()
    status, _ = fetch(await settled(box.sandbox.upload_url(path, user="root")), *form(b"upload"))
    equal((status, (await settled(box.files.get_info(path))).owner), (200, "root"))


@check("sandbox.upload_url(use_signature_expiration=)", modes=("url",))
async def upload_url_expiring(box: Box) -> None:
    path = box.path()
    url = await settled(box.sandbox.upload_url(path, use_signature_expiration=60))
    equal(fetch(url, *form(b"upload"))[0], 200)
    late = await settled(box.sandbox.upload_url(box.path(), use_signature_expiration=-60))
    equal(fetch(late, *form(b"upload"))[0], 401)


@check("signed URLs that were changed are refused", modes=("url",))
async def changed_url(box: Box) -> None:
    path = await put(box, "secret")
    url = await settled(box.sandbox.download_url(path))
    other = await put(box, "other")
    quoted, other_quoted = urllib.parse.quote(path, safe=""), urllib.parse.quote(other, safe="")
    assert quoted in url or urllib.parse.quote(path) in url, url
    changed = url.replace(quoted, other_quoted).replace(urllib.parse.quote(path), urllib.parse.quote(other))
    equal(fetch(changed)[0], 401)
    # A signature to read is none to write.
    equal(fetch(url, *form(b"x"))[0], 401)


@check("calls without the access token are refused", modes=("url",))
async def secured(box: Box) -> None:
    path = await put(box, "secret")
    base = os.environ["E2B_SANDBOX_URL"]
    files = f"{base}/files?{urllib.parse.urlencode({'path': path})}"
    equal(fetch(files)[0], 401)
    equal(fetch(files, headers={"X-Access-Token": "wrong"})[0], 401)
    call = {"Content-Type": "application/json", "Connect-Protocol-Version": "1"}
    equal(fetch(f"{base}/process.Process/List", b"{}", call)[0], 401)
    equal(fetch(f"{base}/health")[0], 204)
