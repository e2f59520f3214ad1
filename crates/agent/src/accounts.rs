//! Users and groups, read from the sandbox's own `/etc/passwd` and `/etc/group`: the static binary has no name service.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Larger files are cut: a sandbox's own programs may write here.
const LARGEST_FILE: u64 = 1 << 20;
/// The kernel's own limit of a user's groups.
const MOST_GROUPS: usize = 65_536;
/// All users together are in so many groups at most: two files of the largest size could tell of far more.
const MOST_MEMBERSHIPS: usize = 1 << 20;
/// To the system calls that set ids this number means that the id stays what it is: the agent's own.
const NO_ID: u32 = u32::MAX;

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
        let mut memberships = Memberships::new();
        for line in group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members, ..] = fields[..] else { continue };
            let Some(gid) = parse_id(gid) else { continue };
            groups.entry(gid).or_insert_with(|| name.to_owned());
            for member in members.split(',').filter(|member| !member.is_empty()) {
                memberships.entry(member).or_default().push(gid);
            }
        }
        for groups in memberships.values_mut() {
            let mut seen = HashSet::new();
            groups.retain(|group| seen.insert(*group));
        }
        let mut left = MOST_MEMBERSHIPS;
        let users = passwd.lines().filter_map(|line| parse_user(line, &memberships, &mut left)).collect();
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

/// The groups that list a user, each once.
type Memberships<'a> = HashMap<&'a str, Vec<u32>>;

fn parse_id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != NO_ID)
}

/// `left` is how many memberships there may still be.
fn parse_user(line: &str, memberships: &Memberships<'_>, left: &mut usize) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    let (uid, gid) = (parse_id(uid)?, parse_id(gid)?);
    let others = memberships.get(name).into_iter().flatten().copied().filter(|group| *group != gid);
    let groups: Vec<u32> = std::iter::once(gid).chain(others.take((MOST_GROUPS - 1).min(*left))).collect();
    *left -= groups.len() - 1;
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

    /// The accounts as they are now. A file that is absent has none; while one cannot be read, as for want of
    /// descriptors, they are what they were.
    pub(crate) fn read(&self) -> Arc<Accounts> {
        let parse = |passwd: io::Result<String>, group: io::Result<String>| {
            Accounts::parse(&passwd.unwrap_or_default(), &group.unwrap_or_default())
        };
        let stamp = ["passwd", "group"].map(|name| self.stamp(name));
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, accounts)) = &*cache
            && *known == stamp
        {
            return Arc::clone(accounts);
        }
        let (passwd, group) = (self.text("passwd"), self.text("group"));
        if let Some(error) = passwd.as_ref().err().or(group.as_ref().err()) {
            tracing::warn!(%error, "cannot read the accounts");
            let known = cache.as_ref().map(|(_, accounts)| Arc::clone(accounts));
            // What can be read of them is better than nothing, but nothing to remember.
            return known.unwrap_or_else(|| Arc::new(parse(passwd, group)));
        }
        let accounts = Arc::new(parse(passwd, group));
        *cache = Some((stamp, Arc::clone(&accounts)));
        accounts
    }

    fn stamp(&self, name: &str) -> Option<FileStamp> {
        let status = std::fs::metadata(self.folder.join(name)).ok()?;
        let changed = (status.ctime(), status.ctime_nsec());
        Some((status.dev(), status.ino(), status.size(), (status.mtime(), status.mtime_nsec()), changed))
    }

    /// Never waits: the file may have become a pipe, which lists nobody.
    fn text(&self, name: &str) -> io::Result<String> {
        let path = self.folder.join(name);
        let file = match File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            other => other?,
        };
        if !file.metadata()?.is_file() {
            tracing::warn!(name, "not a regular file, so it lists no accounts");
            return Ok(String::new());
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

    #[test]
    fn a_failed_read_is_tried_again_and_forgets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = AccountFiles::new(folder.path());
        let [passwd, group] = ["passwd", "group"].map(|name| folder.path().join(name));
        // A link to itself has the stamp of what is absent, and cannot be opened.
        let break_off = |path: &std::path::Path| std::os::unix::fs::symlink(path, path).unwrap();
        std::fs::write(&group, GROUP).unwrap();
        break_off(&passwd);
        assert!(files.read().user("user").is_none());
        std::fs::remove_file(&passwd).unwrap();
        std::fs::write(&passwd, PASSWD).unwrap();
        assert_eq!(files.read().user("user").unwrap().groups.len(), 3);
        std::fs::remove_file(&group).unwrap();
        break_off(&group);
        assert_eq!(files.read().user("user").unwrap().groups.len(), 3);
        // Its stamp is the same now.
        std::fs::remove_file(&group).unwrap();
        assert_eq!(files.read().user("user").unwrap().groups.len(), 1);
    }

    /// Files of a mebibyte that list every group of everyone; done by comparing each with each, this takes minutes.
    #[test]
    fn many_groups_of_many_users_have_a_limit() {
        let group: String = (0..70_000).map(|gid| format!("::{gid}:u\n")).collect();
        let accounts = Accounts::parse(&"u::7:7:::\n".repeat(40), &group);
        assert_eq!(accounts.user("u").unwrap().groups.len(), MOST_GROUPS);
        let all: usize = accounts.users.iter().map(|user| user.groups.len() - 1).sum();
        assert_eq!((accounts.users.len(), all), (40, MOST_MEMBERSHIPS));
    }

    #[test]
    fn a_number_that_is_no_id_names_nobody() {
        let passwd = "a:x:4294967295:1::/:\nb:x:1:4294967295::/:\nc:x:1:1::/:\n";
        let accounts = Accounts::parse(passwd, "g:x:4294967295:c\nh:x:2:c,c\n");
        assert!(accounts.user("a").is_none() && accounts.user("b").is_none());
        assert_eq!(&accounts.user("c").unwrap().groups[..], [1, 2]);
        assert_eq!(accounts.group_name(NO_ID), NO_ID.to_string());
    }
}
