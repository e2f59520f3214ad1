//! Users and groups, read from the sandbox's own `/etc/passwd` and `/etc/group`: the static binary has no name service.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Larger files are cut: a sandbox's own programs may write here.
const LARGEST_FILE: u64 = 1 << 20;

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: String,
    pub(crate) shell: String,
    /// All groups the user is in, the primary one among them.
    pub(crate) groups: Arc<[u32]>,
}

/// The accounts at one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    users: Vec<User>,
    groups: HashMap<u32, String>,
}

impl Accounts {
    fn parse(passwd: &str, group: &str) -> Self {
        let mut groups = HashMap::new();
        let mut memberships: HashMap<&str, Vec<u32>> = HashMap::new();
        for line in group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members, ..] = fields[..] else { continue };
            let Ok(gid) = gid.parse() else { continue };
            groups.entry(gid).or_insert_with(|| name.to_owned());
            for member in members.split(',').filter(|member| !member.is_empty()) {
                memberships.entry(member).or_default().push(gid);
            }
        }
        let users = passwd.lines().filter_map(|line| parse_user(line, &memberships)).collect();
        Self { users, groups }
    }

    /// A user by name, or by number where it has no such name.
    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        let number = name.parse::<u32>().ok();
        let by_name = self.users.iter().find(|user| user.name == name);
        by_name.or_else(|| number.and_then(|uid| self.users.iter().find(|user| user.uid == uid)))
    }

    /// The name of a uid, or the number itself.
    pub(crate) fn user_name(&self, uid: u32) -> String {
        let user = self.users.iter().find(|user| user.uid == uid);
        user.map_or_else(|| uid.to_string(), |user| user.name.clone())
    }

    /// The name of a gid, or the number itself.
    pub(crate) fn group_name(&self, gid: u32) -> String {
        self.groups.get(&gid).cloned().unwrap_or_else(|| gid.to_string())
    }
}

fn parse_user(line: &str, memberships: &HashMap<&str, Vec<u32>>) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
    let mut groups = vec![gid];
    for group in memberships.get(name).into_iter().flatten() {
        if !groups.contains(group) {
            groups.push(*group);
        }
    }
    let home = if home.starts_with('/') { home } else { "/" };
    let shell = if shell.is_empty() { "/bin/sh" } else { shell };
    Some(User {
        name: name.to_owned(),
        uid,
        gid,
        home: home.to_owned(),
        shell: shell.to_owned(),
        groups: groups.into(),
    })
}

/// The accounts of a folder such as `/etc`, read again only when its files changed.
#[derive(Debug)]
pub(crate) struct AccountFiles {
    folder: PathBuf,
    cache: Mutex<Option<(Stamp, Arc<Accounts>)>>,
}

/// What changes when a file does: device, inode, size and both times, in nanoseconds.
type FileStamp = (u64, u64, u64, (i64, i64), (i64, i64));
type Stamp = [Option<FileStamp>; 2];

impl AccountFiles {
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), cache: Mutex::new(None) }
    }

    /// The accounts as they are now. A file that is absent or unreadable has none.
    pub(crate) fn read(&self) -> Arc<Accounts> {
        let stamp = ["passwd", "group"].map(|name| self.stamp(name));
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, accounts)) = &*cache
            && *known == stamp
        {
            return Arc::clone(accounts);
        }
        let accounts = Arc::new(Accounts::parse(&self.text("passwd"), &self.text("group")));
        *cache = Some((stamp, Arc::clone(&accounts)));
        accounts
    }

    fn stamp(&self, name: &str) -> Option<FileStamp> {
        let status = std::fs::metadata(self.folder.join(name)).ok()?;
        let changed = (status.ctime(), status.ctime_nsec());
        Some((status.dev(), status.ino(), status.size(), (status.mtime(), status.mtime_nsec()), changed))
    }

    fn text(&self, name: &str) -> String {
        match self.load(name) {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(%error, name, "cannot read the accounts");
                String::new()
            }
        }
    }

    /// Never waits: the file may have become a pipe.
    fn load(&self, name: &str) -> io::Result<String> {
        let path = self.folder.join(name);
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST_FILE).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1000::/home/user:\nbroken:x:\nodd:x:7:7::nowhere:/bin/false\n1000:x:5:5::/home/five:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nuser:x:1000:\ndocker:x:999:user,other\nbad\nwheel:x:10:user\n";

    #[test]
    fn users_have_all_their_groups() {
        let accounts = Accounts::parse(PASSWD, GROUP);
        let user = accounts.user("user").unwrap();
        assert_eq!((user.uid, user.gid, user.shell.as_str()), (1000, 1000, "/bin/sh"));
        assert_eq!(&user.groups[..], [1000, 999, 10]);
        assert_eq!(accounts.user("odd").unwrap().home, "/");
        assert!(accounts.user("broken").is_none());
    }

    #[test]
    fn a_number_is_a_name_first() {
        let accounts = Accounts::parse(PASSWD, GROUP);
        assert_eq!(accounts.user("1000").unwrap().uid, 5);
        assert_eq!(accounts.user("7").unwrap().name, "odd");
        assert!(accounts.user("-1").is_none());
        assert!(accounts.user("").is_none());
    }

    #[test]
    fn numbers_without_a_name_stay_numbers() {
        let accounts = Accounts::parse(PASSWD, GROUP);
        assert_eq!((accounts.user_name(0), accounts.user_name(77)), ("root".into(), "77".into()));
        assert_eq!((accounts.group_name(999), accounts.group_name(77)), ("docker".into(), "77".into()));
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_pipe_never_waits() {
        let folder = tempfile::tempdir().unwrap();
        let files = AccountFiles::new(folder.path());
        assert!(files.read().user("root").is_none());
        std::fs::write(folder.path().join("passwd"), PASSWD).unwrap();
        assert!(files.read().user("root").is_some());
        std::fs::remove_file(folder.path().join("passwd")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, folder.path().join("passwd"), rustix::fs::FileType::Fifo, mode, 0)
            .unwrap();
        assert!(files.read().user("root").is_none());
    }
}
