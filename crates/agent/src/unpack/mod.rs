//! A stream of files put into a folder in which others may exchange names meanwhile, with fewer rights than this process has.
//!
//! Everything is reached from the open folder, name by name and through no link ([`Root`]). What an earlier stream had brought is remembered in
//! a record beside the folder or in it, as whoever sends the stream asks for. The first fault ends it all: the record says by
//! then what may have arrived.

mod archive;
mod root;

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;

use crate::AgentError;
use root::Root;

/// More than the names of a million files is nonsense.
const LONGEST_LIST: u64 = 512 << 20;
/// Where the record may be in the folder.
const INSIDE: [&str; 2] = [".git/sandboxer-sync", ".sandboxer-sync"];

/// What is to be done to a folder.
#[derive(Debug, Clone)]
pub struct Unpack {
    /// The folder; made where it is absent, and no link.
    pub folder: PathBuf,
    /// Where the record is if it is beside the folder.
    pub beside: PathBuf,
    /// Which of the places keeps the record: 1 beside the folder, 2 in its repository, 3 in itself; 0 for the first that can be
    /// written.
    pub chosen: u64,
    /// How many bytes of the input each of its parts has, in this order: the record until all has arrived, the record from
    /// then on, and names, each with a zero byte behind it, of folders to open, of files and links to remove, and of folders to
    /// remove if they are empty.
    pub lengths: [u64; 5],
    /// Whether an archive comes behind them.
    pub archive: bool,
}

/// Does it, with what `input` brings.
///
/// # Errors
///
/// Names what could not be changed, and why: among others where a link stands on the way to it.
pub fn unpack(request: &Unpack, mut input: impl Read) -> Result<(), AgentError> {
    let root = Root::make(&request.folder).map_err(fault(&request.folder))?;
    let mut part = |index: usize| exactly(&mut input, request.lengths[index]).map_err(fault(&request.folder));
    let (before, after) = (part(0)?, part(1)?);
    let record = Record::find(&root, request)?;
    if !before.is_empty() {
        record.write(&before)?;
    }
    for path in names(&part(2)?) {
        root.open_up(path).map_err(fault(path))?;
    }
    for path in names(&part(3)?) {
        root.unlink(path).or_else(absent_is_fine).map_err(fault(path))?;
    }
    for path in names(&part(4)?) {
        // One in which the sandbox has made something stays.
        root.remove_folder(path).ok();
    }
    if request.archive {
        archive::put_into(&root, &mut input).map_err(|(path, source)| AgentError::Unpack { path, source })?;
    }
    if !after.is_empty() {
        record.write(&after)?;
    }
    record.hide();
    Ok(())
}

/// Where the record is kept.
enum Record<'a> {
    Beside(Root, PathBuf),
    Inside(&'a Root, &'static str),
}

impl<'a> Record<'a> {
    fn find(root: &'a Root, request: &Unpack) -> Result<Self, AgentError> {
        let places = [1, 2, 3].into_iter().filter(|place| request.chosen == 0 || request.chosen == *place);
        for place in places {
            let record = match place {
                // Not every folder has something beside it.
                1 if request.beside != request.folder.join(INSIDE[1]) => Self::beside(&request.beside)?,
                2 => Self::Inside(root, INSIDE[0]),
                _ => Self::Inside(root, INSIDE[1]),
            };
            if request.chosen != 0 || record.root().may_hold(record.name()) {
                return Ok(record);
            }
        }
        Err(fault(&request.folder)(Errno::ACCESS.into()))
    }

    /// The way to the folder may lead through links, as the user named it.
    fn beside(path: &Path) -> Result<Self, AgentError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(fault(path)(Errno::INVAL.into()));
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        Ok(Self::Beside(Root::of(parent).map_err(fault(path))?, name.into()))
    }

    fn root(&self) -> &Root {
        match self {
            Self::Beside(root, _) => root,
            Self::Inside(root, _) => root,
        }
    }

    fn name(&self) -> &Path {
        match self {
            Self::Beside(_, name) => name,
            Self::Inside(_, name) => Path::new(name),
        }
    }

    fn write(&self, content: &[u8]) -> Result<(), AgentError> {
        let mode = Mode::RUSR | Mode::WUSR;
        self.root()
            .put_file(self.name(), mode, None, (&mut &*content, content.len() as u64))
            .map_err(fault(self.name()))
    }

    /// A repository that came only now is a better place: there nobody sees it.
    fn hide(&self) {
        if let Self::Inside(root, name) = self
            && *name == INSIDE[1]
        {
            // Where there is none, it stays.
            root.rename(Path::new(name), Path::new(INSIDE[0])).ok();
        }
    }
}

fn exactly(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if length > LONGEST_LIST {
        return Err(Errno::FBIG.into());
    }
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(cut()) }
}

/// An input that ended before its end.
fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "not all of it arrived")
}

/// The names in a list; what they may be is seen when they are used.
fn names(list: &[u8]) -> impl Iterator<Item = &Path> {
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| Path::new(OsStr::from_bytes(name.strip_prefix(b"./").unwrap_or(name))))
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> AgentError {
    move |source| AgentError::Unpack { path: path.to_owned(), source }
}
