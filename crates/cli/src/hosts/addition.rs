//! Adds a host to a file that a person wrote and goes on writing: what is there stays to the letter.

use crate::error::{CommandResult, local_fault};
use rustix::fs::{FlockOperation, flock};
use sandboxer_types::source::{HostsFile, LARGEST_FILE, decode, parse_hosts};
use sandboxer_types::{ErrorKind, Failure, Host, Residue};
use std::fs::File;
use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Adds `host` to `hosts.yaml` in `folder`, which is made where it is missing. Returns the file.
pub(crate) fn add(folder: &Path, host: &Host) -> CommandResult<PathBuf> {
    let path = folder.join("hosts.yaml");
    let fault = |error: &std::io::Error| local_fault(format!("write `{}`", path.display()), error);
    std::fs::create_dir_all(folder).map_err(|error| fault(&error))?;
    // One at a time; the lock goes with the descriptor.
    let lock = File::open(folder).map_err(|error| fault(&error))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| fault(&error.into()))?;
    let old = read(&path)?;
    let new = appended(&path.display().to_string(), old.as_deref().unwrap_or_default(), host)?;
    // A link to a file elsewhere stays one.
    let target = path.canonicalize().unwrap_or_else(|_| path.clone());
    write(&target, &new).map_err(|error| fault(&error))?;
    Ok(path)
}

fn read(path: &Path) -> CommandResult<Option<String>> {
    let fault = |error: &std::io::Error| local_fault(format!("read `{}`", path.display()), error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(&error).into()),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE as u64 + 1).read_to_end(&mut bytes).map_err(|error| fault(&error))?;
    match decode(&path.display().to_string(), &bytes) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(fault) => Err(Failure::invalid_input(fault.headline()).into()),
    }
}

/// In the place of the old one at once, and for its owner alone.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// The text with `host` at its end, once it was read again and found to say just that more.
fn appended(file: &str, old: &str, host: &Host) -> CommandResult<String> {
    let is_blank = old.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    let before = if is_blank { HostsFile::default() } else { parse_hosts(file, old) };
    if before.entries.iter().any(|entry| entry.id.as_ref() == Some(&host.id)) {
        return Err(exists(host, file).into());
    }
    if let (true, Some(fault)) = (before.entries.is_empty(), before.faults.first()) {
        return Err(Failure::invalid_input(fault.headline()).with_hint("mend the file first").into());
    }
    let entry = entry(host);
    let new = if is_blank { format!("{}hosts:\n{}", ended(old), indented(&entry, 2)) } else { at_the_end(old, &entry) };
    let after = parse_hosts(file, &new);
    let added = after.entries.split_last().is_some_and(|(last, rest)| {
        last.id.as_ref() == Some(&host.id) && last.host.as_ref() == Ok(host) && rest == before.entries
    });
    if added && after.faults == before.faults {
        return Ok(new);
    }
    let message = format!("`{file}` is not written in a way that a host can be added to by this command");
    Err(Failure::new(ErrorKind::Unsupported, message)
        .with_residue(Residue::None)
        .with_hint(format!("add it yourself:\n{}", indented(&entry, 2)))
        .into())
}

/// What is said of a host that is there already.
pub(crate) fn exists(host: &Host, place: &str) -> Failure {
    Failure::new(ErrorKind::Conflict, format!("there is a host `{}` already, in `{place}`", host.id))
        .with_residue(Residue::None)
        .with_hint("choose another id, or change what stands there")
}

fn at_the_end(old: &str, entry: &str) -> String {
    let lines: Vec<&str> = old.lines().collect();
    let head = lines.iter().position(|line| line.starts_with("hosts:"));
    let empty = head.filter(|head| lines[*head].split('#').next().is_some_and(|line| line.trim_end() == "hosts: []"));
    let text = match empty {
        Some(head) => {
            let line = |(index, line): (usize, &&str)| {
                let kept = if index == head { line.replacen(" []", "", 1) } else { (*line).to_owned() };
                format!("{kept}\n")
            };
            lines.iter().enumerate().map(line).collect()
        }
        None => ended(old),
    };
    let items = lines.iter().skip(head.map_or(0, |head| head + 1));
    let indent = |line: &&str| {
        let rest = line.trim_start_matches(' ');
        (rest == "-" || rest.starts_with("- ")).then(|| line.len() - rest.len())
    };
    text + &indented(entry, items.into_iter().find_map(indent).unwrap_or(2))
}

fn ended(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}")
}

fn indented(text: &str, width: usize) -> String {
    text.lines().map(|line| format!("{:width$}{line}\n", "")).collect()
}

/// A host as a person would write it.
fn entry(host: &Host) -> String {
    let mut text = format!("- id: {}\n", scalar(host.id.as_str()));
    if let Some(ssh) = &host.ssh {
        let ssh = ssh.to_string();
        // Outside of braces, a colon with a port behind it is but a letter.
        let is_plain = scalar(&ssh.replace(':', "-")) == ssh.replace(':', "-");
        text.push_str(&format!("  ssh: {}\n", if is_plain { ssh } else { scalar(&ssh) }));
    }
    if let Some(slots) = host.slots {
        text.push_str(&format!("  slots: {slots}\n"));
    }
    if !host.labels.is_empty() {
        let labels: Vec<String> =
            host.labels.iter().map(|(key, value)| format!("{}: {}", scalar(key), scalar(value))).collect();
        text.push_str(&format!("  labels: {{{}}}\n", labels.join(", ")));
    }
    text
}

/// Text that YAML takes for nothing but this text. What JSON quotes, YAML reads.
fn scalar(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@');
    let means_something = ["true", "false", "null"].iter().any(|word| text.eq_ignore_ascii_case(word));
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(plain) && !means_something {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CommandError;

    fn host(id: &str) -> Host {
        let labels = [("arch", "x86_64"), ("note", "it's {a}: \"b\" # c"), ("y", "1.10")];
        Host {
            ssh: Some("me@[2001:db8::1]:2222".parse().unwrap()),
            slots: Some(4),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..Host::named(id.parse().unwrap())
        }
    }

    fn after(old: &str, id: &str) -> Result<String, Failure> {
        appended("hosts.yaml", old, &host(id)).map_err(|error| match error {
            CommandError::Failure(failure) | CommandError::Incomplete(failure) => *failure,
        })
    }

    #[test]
    fn what_is_there_stays_to_the_letter() {
        for old in [
            "",
            "# my hosts\n",
            "\n\n# my hosts",
            "hosts:\n  - id: a   # the first\n    ssh:   b\n# the end",
            "# hosts: none\nhosts:\n- id: a\n- id: b\n",
            "hosts:   # mine\n      - {id: a, slots: 2}\n      # - id: c\n\n",
            "hosts:\n  - id: broken\n    shs: x\n  - id: a\n",
            "hosts:\r\n  - id: a\r\n",
        ] {
            for id in ["build-1", "0123", "true", "1.5", "0x1F", "a.b_c"] {
                let new = after(old, id).unwrap_or_else(|failure| panic!("{old:?}: {failure}"));
                assert!(new.starts_with(old), "{new}");
            }
        }
        assert!(after("hosts: [] # none yet\n", "b").unwrap().starts_with("hosts: # none yet\n  - id: b\n"));
    }

    #[test]
    fn what_cannot_be_kept_is_left_alone() {
        let kind = |old: &str| after(old, "build-1").expect_err(old).kind;
        assert_eq!(kind("hosts: [{id: build-1}]\n"), ErrorKind::Conflict);
        assert_eq!(kind("hosts:\n  - id: build-1\n    shs: broken\n"), ErrorKind::Conflict);
        assert_eq!(kind("hosts: [{id: a}]\n"), ErrorKind::Unsupported);
        assert_eq!(kind("hosts:\n  - id: a\n...\n"), ErrorKind::Unsupported);
        assert_eq!(kind("hosts: [\n"), ErrorKind::InvalidInput);
        assert_eq!(kind("host:\n  - id: a\n"), ErrorKind::InvalidInput);
        let failure = after("hosts: [{id: a}]\n", "build-1").unwrap_err();
        assert!(failure.hint.unwrap().contains("- id: build-1"));
    }

    #[test]
    fn a_file_is_replaced_at_once_and_a_link_is_followed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config/sandboxer");
        let path = add(&config, &host("a")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let elsewhere = folder.path().join("elsewhere.yaml");
        std::fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        add(&config, &host("b")).unwrap();
        assert!(path.is_symlink() && add(&config, &host("a")).is_err());
        let text = std::fs::read_to_string(&elsewhere).unwrap();
        assert_eq!(parse_hosts("hosts.yaml", &text).entries.len(), 2);
        assert_eq!(std::fs::read_dir(&config).unwrap().count(), 1, "nothing but the link");
    }
}
