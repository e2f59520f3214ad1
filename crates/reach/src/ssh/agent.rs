//! The program that is put on a machine, and where.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::files::hexadecimal;
use crate::{ReachError, ReachErrorKind};

/// Bytes read at once.
const PART: usize = 1 << 16;
/// The first bytes of a program for Linux, up to those that name the processor.
const HEAD: usize = 20;

/// A program that is an agent: `PROGRAM agent --relay SOCKET --mark WORD`, as docs/agent.md has it. It is known by its
/// digest, so that several may be on a machine at once.
#[derive(Debug, Clone)]
pub struct AgentProgram {
    path: PathBuf,
    digest: String,
    size: u64,
    machine: &'static str,
}

impl AgentProgram {
    /// Reads a program to know it. To be called where files may be read without harm to others: it blocks.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, ReachError> {
        let path = path.into();
        let read = || {
            let mut file = std::fs::File::open(&path)?;
            let (mut digest, mut size, mut head) = (Sha256::new(), 0, Vec::with_capacity(HEAD));
            let mut part = vec![0; PART];
            loop {
                let length = match file.read(&mut part) {
                    Ok(0) => return Ok((hexadecimal(&digest.finalize()), size, machine(&head))),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    length => length?,
                };
                digest.update(&part[..length]);
                head.extend_from_slice(&part[..length.min(HEAD - head.len())]);
                size += length as u64;
            }
        };
        let failed = |error| ReachError::local(format!("cannot read the agent `{}`", path.display()), error);
        let (digest, size, machine) = read().map_err(failed)?;
        Ok(Self { path, digest, size, machine })
    }

    /// As [`read`](Self::read), but reads the whole program only when it has changed since: what is known of it is kept in
    /// `memory`, a file in a folder of the user's own. One that cannot be kept is no fault.
    pub fn remembered(path: impl Into<PathBuf>, memory: &Path) -> Result<Self, ReachError> {
        let path = path.into();
        let status = std::fs::metadata(&path)
            .map_err(|error| ReachError::local(format!("cannot read the agent `{}`", path.display()), error))?;
        // A file that is written to, or replaced, differs in one of these.
        let known = [status.dev(), status.ino(), status.size()].map(|number| number.to_string()).join(" ");
        let known = format!("{known} {}.{:09} {}", status.ctime(), status.ctime_nsec(), path.display());
        if let Some((digest, machine)) = std::fs::read_to_string(memory).ok().and_then(|text| recall(&text, &known)) {
            return Ok(Self { path, digest, size: status.size(), machine });
        }
        let read = Self::read(path)?;
        if let Err(error) = remember(memory, &format!("{} {}\n{known}", read.digest, read.machine)) {
            tracing::debug!(%error, "the agent's digest is not kept");
        }
        Ok(read)
    }

    /// SHA-256, in hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What `uname -s` and `uname -m` must say, with a slash between; `any` for what is no program for Linux by itself.
    pub(super) fn machine(&self) -> &'static str {
        self.machine
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What is no program for Linux by itself.
const ANY: &str = "any";
/// The number of a processor in an ELF file, and what `uname` says there.
const MACHINES: [(u16, &str); 3] = [(62, "Linux/x86_64"), (183, "Linux/aarch64"), (243, "Linux/riscv64")];

/// What machine a program is for, by the head of its file (ELF).
fn machine(head: &[u8]) -> &'static str {
    if head.len() < HEAD || !head.starts_with(b"\x7fELF") {
        return ANY;
    }
    let number = u16::from_le_bytes([head[18], head[19]]);
    MACHINES.iter().find(|(known, _)| *known == number).map_or(ANY, |(_, name)| name)
}

/// What was kept of a program, if it is the one that is known by these words.
fn recall(text: &str, known: &str) -> Option<(String, &'static str)> {
    let (kept, of) = text.split_once('\n')?;
    let (digest, machine) = kept.split_once(' ')?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let machine = MACHINES.iter().map(|(_, name)| *name).chain([ANY]).find(|name| *name == machine)?;
    (of == known && is_digest).then(|| (digest.to_owned(), machine))
}

/// Whole or not at all: others read it at the same time.
fn remember(memory: &Path, text: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(memory.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.persist(memory).map(drop).map_err(|error| error.error)
}

/// Where the agent and its socket are on the machine.
#[derive(Debug, Clone, Default)]
pub struct AgentPlace {
    /// The folder of the program; `sandboxer` in the user's cache when absent.
    programs: Option<Word>,
    /// The folder of the socket; one of the machine's own beside the program when absent, since a home may be shared.
    sockets: Option<Word>,
}

impl AgentPlace {
    /// Puts the program there.
    ///
    /// # Errors
    ///
    /// `InvalidInput` unless the path is absolute, and made of letters, digits, `/`, `.`, `_`, `-` and `+`.
    pub fn with_programs(self, folder: &str) -> Result<Self, ReachError> {
        Ok(Self { programs: Some(Word::path(folder)?), ..self })
    }

    /// Puts the socket there. The folder must be the user's own, and closed to others.
    ///
    /// # Errors
    ///
    /// As [`with_programs`](Self::with_programs).
    pub fn with_sockets(self, folder: &str) -> Result<Self, ReachError> {
        Ok(Self { sockets: Some(Word::path(folder)?), ..self })
    }

    /// Both, in that order.
    pub(super) fn words(&self) -> [Word; 2] {
        [self.programs.clone().unwrap_or_default(), self.sockets.clone().unwrap_or_default()]
    }
}

/// A word that means nothing but itself to a shell, between quotes or without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word(String);

impl Word {
    pub(super) fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        text.chars()
            .all(|character| character.is_ascii_alphanumeric() || "/._-+".contains(character))
            .then_some(Self(text))
    }

    /// An absolute path.
    pub(super) fn path(text: &str) -> Result<Self, ReachError> {
        Self::new(text).filter(|_| text.starts_with('/')).ok_or_else(|| {
            let message = format!("`{text}` is no path that can be used on another machine");
            ReachError::new(ReachErrorKind::InvalidInput, message)
                .with_hint("write an absolute path of letters, digits and `._-+`")
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_what_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        let program = AgentProgram::read(file.path()).unwrap();
        assert_eq!(program.digest(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((program.size(), program.machine()), (3, "any"));
        let own = AgentProgram::read("/proc/self/exe").unwrap();
        assert_eq!(own.machine(), format!("Linux/{}", std::env::consts::ARCH));
        assert_eq!(AgentProgram::read("/none").unwrap_err().kind(), ReachErrorKind::Local);
    }

    #[test]
    fn a_program_is_read_again_only_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, memory) = (folder.path().join("agent"), folder.path().join("memory"));
        std::fs::write(&path, b"abc").unwrap();
        let first = AgentProgram::remembered(&path, &memory).unwrap();
        // So that it shows whether this is read.
        let kept = std::fs::read_to_string(&memory).unwrap();
        std::fs::write(&memory, kept.replacen(first.digest(), &"0".repeat(64), 1)).unwrap();
        assert_eq!(AgentProgram::remembered(&path, &memory).unwrap().digest(), "0".repeat(64));
        // Another file, as when a program is replaced.
        std::fs::write(folder.path().join("new"), b"abd").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        let changed = AgentProgram::remembered(&path, &memory).unwrap();
        assert_eq!(changed.digest(), AgentProgram::read(&path).unwrap().digest());
        for nonsense in ["", "\n", "x any\n", &kept.replace(" any", " else"), &kept[1..]] {
            std::fs::write(&memory, nonsense).unwrap();
            assert_eq!(AgentProgram::remembered(&path, &memory).unwrap().digest(), changed.digest());
        }
        assert!(AgentProgram::remembered(&path, Path::new("/none/memory")).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn places_mean_nothing_to_a_shell() {
        let place = AgentPlace::default().with_programs("/opt/a_b-c.d+e").unwrap();
        assert_eq!(place.words().map(|word| word.0), ["/opt/a_b-c.d+e".to_owned(), String::new()]);
        for wrong in
            ["", "relative", "~/x", "/a b", "/a'b", "/a\"b", "/$HOME", "/`id`", "/a;b", "/a\nb", "/a:b", "/%h", "/ü"]
        {
            assert!(AgentPlace::default().with_programs(wrong).is_err(), "{wrong:?}");
            assert!(AgentPlace::default().with_sockets(wrong).is_err(), "{wrong:?}");
        }
    }
}
