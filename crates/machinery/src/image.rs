//! The memory disk of virtual machines: this machine's programs with the libraries they need, and little else.

use crate::sshd::make_key;
use crate::tools::target_directory;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is there beside busybox, which has the rest.
const PROGRAMS: [&str; 41] = [
    "awk",
    "bash",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "env",
    "find",
    "git",
    "grep",
    "head",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rsync",
    "sed",
    "setpriv",
    "setsid",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "tar",
    "timeout",
    "touch",
    "uname",
    "useradd",
    "userdel",
    "wc",
];
const MODULES: [&str; 3] = ["virtio_pci", "virtio_net", "virtio-rng"];

const INIT: &str = r#"#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mkdir -p /dev/pts /dev/shm
busybox mount -t devpts pts /dev/pts
busybox mount -t tmpfs -o mode=1777 shm /dev/shm
busybox mount -t tmpfs -o mode=755 run /run
busybox mkdir /run/sshd
for module in /modules/*.ko; do busybox insmod "$module"; done
for word in $(busybox cat /proc/cmdline); do
  case $word in
    machine.key=*) echo "ssh-ed25519 ${word#machine.key=}" >/etc/ssh/authorized_keys ;;
    machine.name=*) busybox hostname "${word#machine.name=}" ;;
  esac
done
busybox ip link set lo up
busybox ip address add 10.0.2.15/24 dev eth0
busybox ip link set eth0 up
exec busybox init
"#;

const FILES: [(&str, &str, u32); 10] = [
    ("init", INIT, 0o755),
    ("etc/inittab", "::respawn:/usr/sbin/sshd -D -e\n", 0o644),
    ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n", 0o644),
    ("etc/shadow", "root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n", 0o600),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n", 0o644),
    ("etc/gshadow", "root:*::\nnogroup:!::\n", 0o600),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n", 0o644),
    ("etc/hosts", "127.0.0.1 localhost\n", 0o644),
    ("etc/login.defs", "UID_MIN 1000\nUID_MAX 60000\nUMASK 022\nUSERGROUPS_ENAB yes\nENCRYPT_METHOD SHA512\n", 0o644),
    (
        "etc/ssh/sshd_config",
        "HostKey /etc/ssh/host_key\nAuthorizedKeysFile /etc/ssh/authorized_keys .ssh/authorized_keys\nStrictModes no\n\
         UsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n",
        0o644,
    ),
];

/// The kernel of virtual machines, of those that are installed the last.
pub(crate) fn kernel() -> PathBuf {
    let entries = fs::read_dir("/boot").expect("readable").flatten().map(|entry| entry.path());
    let is_kernel = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("vmlinuz-") && name.ends_with("-cloud-amd64")
    };
    entries.filter(is_kernel).max().expect("linux-image-cloud-amd64 is installed")
}

/// The memory disk for that kernel; made where it is missing.
pub(crate) fn memory_disk(kernel: &Path) -> PathBuf {
    let programs: Vec<PathBuf> = PROGRAMS.iter().chain(&["busybox", "sshd"]).map(|name| find(name)).collect();
    let folder = target_directory().join("machines");
    fs::create_dir_all(&folder).expect("ours");
    let path = folder.join(format!("disk-{:016x}", digest(kernel, &programs)));
    if !path.exists() {
        let part = tempfile::NamedTempFile::new_in(&folder).expect("ours");
        let mut archive = Archive { out: BufWriter::new(part.as_file().try_clone().expect("a descriptor")), count: 0 };
        fill(&mut archive, kernel, &programs);
        archive.finish();
        // Another test may have been faster: its disk is as good.
        part.persist(&path).expect("ours");
    }
    path
}

fn find(name: &str) -> PathBuf {
    let places = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(|place| Path::new(place).join(name));
    places.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{name} is missing"))
}

/// Tells what a disk is made of.
fn digest(kernel: &Path, programs: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kernel, MODULES, FILES, programs).hash(&mut hasher);
    for program in programs {
        let details = fs::metadata(program).expect("found");
        (details.len(), details.mtime()).hash(&mut hasher);
    }
    hasher.finish()
}

fn fill(archive: &mut Archive, kernel: &Path, programs: &[PathBuf]) {
    for folder in [
        "dev",
        "etc",
        "etc/ssh",
        "home",
        "modules",
        "opt",
        "proc",
        "root",
        "run",
        "srv",
        "sys",
        "usr",
        "usr/bin",
        "usr/lib",
        "usr/lib/x86_64-linux-gnu",
        "usr/lib64",
        "usr/sbin",
        "var",
        "var/mail",
        "var/log",
    ] {
        archive.folder(folder, 0o755);
    }
    for folder in ["tmp", "var/tmp"] {
        archive.folder(folder, 0o1777);
    }
    for (link, to) in
        [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("sbin", "usr/sbin"), ("usr/bin/sh", "bash")]
    {
        archive.link(link, to);
    }
    for (name, text, mode) in FILES {
        archive.file(name, text.as_bytes(), mode);
    }
    let keys = tempfile::tempdir().expect("a temporary folder");
    make_key(&keys.path().join("key"));
    archive.file("etc/ssh/host_key", &fs::read(keys.path().join("key")).expect("ours"), 0o600);
    for (number, module) in modules(kernel).iter().enumerate() {
        archive.file(&format!("modules/{number:02}.ko"), &fs::read(module).expect("installed"), 0o644);
    }
    let mut libraries = BTreeSet::new();
    for program in programs {
        archive.file(&inside(program), &fs::read(program).expect("found"), 0o755);
        libraries.extend(libraries_of(program));
    }
    for library in libraries {
        archive.file(&inside(&library), &fs::read(&library).expect("found"), 0o755);
    }
    let own: BTreeSet<&str> = PROGRAMS.into_iter().chain(["busybox", "sh"]).collect();
    let applets = Command::new("busybox").arg("--list").output().expect("busybox starts").stdout;
    for applet in String::from_utf8_lossy(&applets).lines().filter(|applet| !own.contains(applet)) {
        archive.link(&format!("usr/bin/{applet}"), "busybox");
    }
}

/// A path of this machine, below the root of the disk; `/bin` and the like are links there, too.
fn inside(path: &Path) -> String {
    let path = path.to_str().expect("a plain path").trim_start_matches('/');
    if path.starts_with("usr/") { path.to_owned() } else { format!("usr/{path}") }
}

fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd starts").stdout;
    let text = String::from_utf8_lossy(&output).into_owned();
    let paths = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    paths.map(PathBuf::from).collect()
}

/// The modules and what they need, each after what it needs.
fn modules(kernel: &Path) -> Vec<PathBuf> {
    let version = kernel.file_name().unwrap_or_default().to_string_lossy().replacen("vmlinuz-", "", 1);
    let folder = Path::new("/lib/modules").join(version);
    let text = fs::read_to_string(folder.join("modules.dep")).expect("installed with the kernel");
    let needs: BTreeMap<&str, Vec<&str>> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(module, needed)| (module, needed.split_whitespace().rev().collect()))
        .collect();
    let mut ordered: Vec<&str> = Vec::new();
    for name in MODULES {
        let ending = format!("/{name}.ko");
        let (module, needed) = needs.iter().find(|(module, _)| module.ends_with(&ending)).expect("of this kernel");
        for one in needed.iter().chain([module]) {
            if !ordered.contains(one) {
                ordered.push(one);
            }
        }
    }
    ordered.into_iter().map(|module| folder.join(module)).collect()
}

/// An archive as the kernel takes it: cpio's `newc`.
struct Archive {
    out: BufWriter<File>,
    count: u32,
}

impl Archive {
    fn folder(&mut self, name: &str, mode: u32) {
        self.entry(name, 0o040_000 | mode, b"");
    }

    fn file(&mut self, name: &str, contents: &[u8], mode: u32) {
        self.entry(name, 0o100_000 | mode, contents);
    }

    fn link(&mut self, name: &str, to: &str) {
        self.entry(name, 0o120_777, to.as_bytes());
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        self.count += 1;
        let fields = [
            self.count,
            mode,
            0,
            0,
            1,
            0,
            u32::try_from(contents.len()).expect("a small file"),
            0,
            0,
            0,
            0,
            u32::try_from(name.len() + 1).expect("a short name"),
            0,
        ];
        let mut head = b"070701".to_vec();
        for field in fields {
            head.extend(format!("{field:08x}").bytes());
        }
        head.extend(name.bytes().chain([0]));
        head.resize(head.len().next_multiple_of(4), 0);
        self.write(&head);
        self.write(contents);
        self.write(&vec![0; contents.len().next_multiple_of(4) - contents.len()]);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.out.write_all(bytes).expect("room on the disk");
    }

    fn finish(mut self) {
        self.entry("TRAILER!!!", 0, b"");
        self.out.flush().expect("room on the disk");
    }
}
