//! What paths on the machine really are, and what is in files there.

use super::failure::garbled;
use super::host::{Host, READ};
use sandboxer_types::Failure;
use std::collections::BTreeMap;

/// The longest file that is read whole. The compose tool itself may read longer ones.
const LARGEST: &str = "1048577";

/// What kind of thing a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Other,
    Nothing,
    /// It cannot be told, say because links go round.
    Lost,
}

/// What the machine said of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    real: String,
    pub(super) kind: Kind,
    pub(super) contents: Vec<u8>,
}

impl Found {
    /// The path without links; `None` when it cannot be told.
    pub(super) fn real(&self) -> Option<&str> {
        (self.kind != Kind::Lost).then_some(self.real.as_str())
    }

    #[cfg(test)]
    pub(super) fn at(real: &str) -> Self {
        Self { real: real.to_owned(), kind: Kind::Folder, contents: Vec::new() }
    }
}

/// Asks the machine about `paths`, and for the contents of those that are files where `contents` says so.
pub(super) async fn look(
    host: &Host<'_>,
    paths: &[String],
    contents: bool,
) -> Result<BTreeMap<String, Found>, Failure> {
    if paths.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wanted = if contents { "contents" } else { "places" };
    let parameters: Vec<&str> = [wanted, LARGEST].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let bytes = host.script(READ, &parameters, Vec::new(), "look at the project's files").await?;
    read(&bytes, paths)
}

fn read(bytes: &[u8], paths: &[String]) -> Result<BTreeMap<String, Found>, Failure> {
    let garbled = || garbled("the project's files");
    let mut fields = bytes.split(|byte| *byte == 0);
    let mut found = BTreeMap::new();
    for path in paths {
        let mut field = || fields.next().ok_or_else(garbled);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
        if field()? != path.as_bytes() {
            return Err(garbled());
        }
        let (real, kind, contents) = (text(field()?), field()?, field()?.to_vec());
        let kind = match kind {
            b"file" => Kind::File,
            b"folder" => Kind::Folder,
            b"other" => Kind::Other,
            b"none" => Kind::Nothing,
            b"lost" => Kind::Lost,
            _ => return Err(garbled()),
        };
        // A path that is no text is one that cannot be told.
        let (real, kind) = real.map_or((String::new(), Kind::Lost), |real| (real, kind));
        found.insert(path.clone(), Found { real, kind, contents });
    }
    // What follows the last NUL.
    if fields.next() == Some(b"") && fields.next().is_none() { Ok(found) } else { Err(garbled()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_shape_is_no_answer() {
        let paths = ["/a".to_owned(), "/b".to_owned()];
        let good = b"/a\0/x/a\0file\0text\0/b\0/b\0none\0\0";
        let found = read(good, &paths).expect("good");
        assert_eq!((found["/a"].real(), found["/a"].contents.as_slice()), (Some("/x/a"), &b"text"[..]));
        assert_eq!(found["/b"].kind, Kind::Nothing);
        for bad in [
            &b""[..],
            b"/a\0/x/a\0file\0text\0",
            b"/b\0/b\0none\0\0/a\0/a\0none\0\0",
            b"/a\0/a\0what\0\0/b\0/b\0none\0\0",
            b"/a\0/x/a\0file\0text\0/b\0/b\0none\0\0more\0",
        ] {
            read(bad, &paths).expect_err("bad");
        }
        assert_eq!(read(b"/a\0\xff\0file\0\0/b\0/b\0none\0\0", &paths).expect("read")["/a"].real(), None);
    }
}
