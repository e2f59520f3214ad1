//! `/etc`: what programs need to run, and accounts and names of its own. Nothing else of the host's: no keys, no
//! passwords, no list of its users.

use super::Plan;
use crate::local::failure::{Doing, Fault};
use crate::local::mounts::{self, READ_ONLY};
use rustix::fs::{Mode, OFlags};
use std::io::Write;
use std::path::Path;

/// Shown as the host has them, where it has them. Of `ssl` and `pki` only what is public.
const OF_THE_HOST: [&str; 17] = [
    "alternatives",
    "crypto-policies",
    "fonts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "magic",
    "mime.types",
    "pki/ca-trust",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
];

/// Settings of languages that do not start without them, by the beginning of their names.
const OF_LANGUAGES: [&str; 2] = ["java-", "python3"];

pub(super) fn build(plan: &Plan) -> Result<(), Fault> {
    let mut shown: Vec<String> = OF_THE_HOST.map(str::to_owned).into();
    let entries = std::fs::read_dir("/etc").doing("list /etc")?;
    shown.extend(
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| OF_LANGUAGES.iter().any(|start| name.starts_with(start))),
    );
    shown.iter().try_for_each(|name| show(name))?;
    show_time_zone()?;
    for (name, contents) in own_files(plan) {
        write(Path::new("etc").join(name).as_path(), &contents)?;
    }
    std::os::unix::fs::symlink("/proc/self/mounts", "etc/mtab").doing("make /etc/mtab in the sandbox")
}

fn show(name: &str) -> Result<(), Fault> {
    let source = Path::new("/etc").join(name);
    let target = Path::new("etc").join(name);
    // A link may lead to something that is not shown, or cannot be reached by the sandbox's users.
    let Ok(status) = std::fs::metadata(&source) else { return Ok(()) };
    if status.is_dir() {
        mounts::make_folder(&target)?;
    } else {
        target.parent().map_or(Ok(()), mounts::make_folder)?;
        empty_file(&target)?;
    }
    mounts::bind(&source, &target, READ_ONLY)
}

/// A link into `/usr` on most hosts, which is then the same link here.
fn show_time_zone() -> Result<(), Fault> {
    match std::fs::read_link("/etc/localtime") {
        Ok(link) => std::os::unix::fs::symlink(link, "etc/localtime").doing("make /etc/localtime in the sandbox"),
        Err(_) => show("localtime"),
    }
}

fn own_files(plan: &Plan) -> [(&'static str, String); 7] {
    let hostname = &plan.hostname;
    let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
    let resolver = if plan.host_network { std::fs::read_to_string("/etc/resolv.conf").ok() } else { None };
    [
        (
            "passwd",
            format!(
                "root:x:0:0:root:/root:{shell}\nuser:x:1000:1000::/home/user:{shell}\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        ("group", "root:x:0:\ntty:x:5:\nuser:x:1000:\nnogroup:x:65534:\n".to_owned()),
        ("hosts", format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\t{hostname}\n")),
        ("hostname", format!("{hostname}\n")),
        ("resolv.conf", resolver.unwrap_or_default()),
        // Not the host's: its name services need daemons that are not here.
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n\
             protocols: files\nservices: files\nethers: files\nrpc: files\n"
                .to_owned(),
        ),
        ("shells", "/bin/sh\n/bin/bash\n".to_owned()),
    ]
}

/// Makes an empty file to mount something on.
pub(super) fn empty_file(path: &Path) -> Result<(), Fault> {
    open(path).map(drop)
}

fn write(path: &Path, contents: &str) -> Result<(), Fault> {
    let mut file = std::fs::File::from(open(path)?);
    file.write_all(contents.as_bytes()).doing(format!("write /{} in the sandbox", path.display()))
}

fn open(path: &Path) -> Result<rustix::fd::OwnedFd, Fault> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)).doing(format!("make /{} in the sandbox", path.display()))
}
