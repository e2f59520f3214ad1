//! Agents that were put on a machine by earlier versions, and that nobody has used for long.

use std::fs::{File, FileTimes};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Unused for so long, a program goes. A sandbox that lives longer has its own open, or bound into a container.
const AGE: Duration = Duration::from_secs(30 * 24 * 3600);
const BEGINNING: &str = "agent-";
/// An upload that was cut off.
const UNFINISHED: &str = ".agent-";

/// Notes that this program is used, and removes its predecessors beside it that are not. Does nothing unless the program
/// bears the name that it is pushed under, since then the folder is nobody's of ours.
pub(crate) fn collect(program: &Path, now: SystemTime) -> io::Result<()> {
    let (Some(folder), Some(own)) = (program.parent(), program.file_name()) else { return Ok(()) };
    if !own.to_str().is_some_and(is_pushed) {
        return Ok(());
    }
    File::open(program)?.set_times(FileTimes::new().set_modified(now))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| is_pushed(name) || name.starts_with(UNFINISHED));
        let status = entry.metadata()?;
        let is_old = now.duration_since(status.modified()?).is_ok_and(|age| age > AGE);
        if is_ours && is_old && status.is_file() && name != own {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_pushed(name: &str) -> bool {
    let digest = name.strip_prefix(BEGINNING);
    digest.is_some_and(|digest| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_used_for_a_month_goes() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let put = |name: &str, days: u64| {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            file.set_times(FileTimes::new().set_modified(now - Duration::from_secs(days * 24 * 3600))).unwrap();
            path
        };
        let name = |digit: &str| format!("agent-{}", digit.repeat(64));
        let own = put(&name("a"), 90);
        let kept = [put(&name("b"), 29), put("agent-notes", 90), put("work", 90), put(".agent-c.1", 1)];
        let gone = [put(&name("c"), 31), put(".agent-c.2", 31)];
        collect(&own, now).unwrap();
        assert!(kept.iter().chain([&own]).all(|path| path.exists()));
        assert!(gone.iter().all(|path| !path.exists()));
        // It was used just now.
        collect(&kept[0], now).unwrap();
        assert!(own.exists());
    }

    #[test]
    fn an_installed_program_removes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join(format!("agent-{}", "a".repeat(64)));
        std::fs::write(&old, "").unwrap();
        std::fs::write(folder.path().join("sandboxer"), "").unwrap();
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000_000_000);
        collect(&folder.path().join("sandboxer"), far).unwrap();
        assert!(old.exists());
    }
}
