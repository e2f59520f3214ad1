//! Accounts that were made for sandboxes.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Account;

const PASSWD: &str = "/etc/passwd";
/// Programs that remove an account, and their options: the first that is there.
const PROGRAMS: [(&str, &[&str]); 4] =
    [("/usr/sbin/userdel", &[]), ("/sbin/userdel", &[]), ("/usr/sbin/deluser", &[]), ("/bin/busybox", &["deluser"])];

/// The number of an account; `None` where there is none of that name.
///
/// # Errors
///
/// Where it is somebody else's, or cannot be looked up.
pub(super) fn find(account: &Account) -> Result<Option<u32>, String> {
    let passwd = std::fs::read_to_string(PASSWD).map_err(|error| format!("{PASSWD} cannot be read: {error}"))?;
    find_in(&passwd, account)
}

fn find_in(passwd: &str, account: &Account) -> Result<Option<u32>, String> {
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let Some(fields) = fields.into_iter().find(|fields| fields[0] == account.name) else { return Ok(None) };
    let uid = fields.get(2).and_then(|uid| uid.parse().ok()).filter(|uid| *uid != 0);
    match (fields.get(4), uid) {
        (Some(comment), Some(uid)) if *comment == account.comment => Ok(Some(uid)),
        _ => Err("is somebody else's: its comment does not name the sandbox".to_owned()),
    }
}

/// Removes it, and verifies that.
pub(super) fn remove(account: &Account) -> Result<(), String> {
    let (program, options) = PROGRAMS
        .into_iter()
        .find(|(program, _)| Path::new(program).exists())
        .ok_or_else(|| "there is no userdel".to_owned())?;
    let output = Command::new(program)
        .args(options)
        .arg(&account.name)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    match find(account) {
        Ok(None) => Ok(()),
        _ => Err(format!("{program} says: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_account_with_the_right_comment_is_found() {
        let passwd = "root:x:0:0:sandboxer o s:/root:/bin/sh\nsbx-a:x:1500:1500:sandboxer o s:/w:/bin/sh\nbroken\n";
        let account = |name: &str, comment: &str| Account { name: name.to_owned(), comment: comment.to_owned() };
        assert_eq!(find_in(passwd, &account("sbx-a", "sandboxer o s")), Ok(Some(1500)));
        assert_eq!(find_in(passwd, &account("sbx-b", "sandboxer o s")), Ok(None));
        find_in(passwd, &account("sbx-a", "sandboxer o other")).unwrap_err();
        find_in(passwd, &account("root", "sandboxer o s")).unwrap_err();
        find_in(passwd, &account("broken", "")).unwrap_err();
    }
}
