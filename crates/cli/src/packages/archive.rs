//! Unpacks a tar archive, plain or compressed by gzip.

use super::draft::{Draft, MOST_BYTES, MOST_ENTRIES, UnpackFault};
use flate2::read::MultiGzDecoder;
use std::io::{self, Read};
use tar::{Archive, EntryType};

/// How many bytes an archive may unpack to: its files, and for each of its entries headers and padding.
const MOST_UNPACKED: u64 = MOST_BYTES + MOST_ENTRIES as u64 * 4096;

/// Unpacks all of it. On a fault, what was unpacked so far is of no use.
pub(crate) fn unpack(bytes: &[u8], draft: &mut Draft) -> Result<(), UnpackFault> {
    let is_compressed = bytes.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read + '_> = if is_compressed { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
    // However little it is compressed, it ends.
    let mut reader = Bounded { reader, left: MOST_UNPACKED };
    let unpacked = entries(&mut reader, draft).and_then(|()| {
        // A compressed archive has its checksum at its end.
        io::copy(&mut reader, &mut io::sink()).map(drop).map_err(UnpackFault::Garbled)
    });
    if reader.left == 0 {
        return Err(UnpackFault::TooMuch(format!("{} MiB, unpacked", MOST_UNPACKED / 1024 / 1024)));
    }
    unpacked
}

fn entries(reader: &mut dyn Read, draft: &mut Draft) -> Result<(), UnpackFault> {
    let mut archive = Archive::new(reader);
    for entry in archive.entries().map_err(UnpackFault::Garbled)? {
        let mut entry = entry.map_err(UnpackFault::Garbled)?;
        let kind = entry.header().entry_type();
        // What `git archive` says of the commit.
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        let name = entry.path_bytes().into_owned();
        let mode = entry.header().mode().map_err(UnpackFault::Garbled)?;
        match kind {
            EntryType::Directory => draft.add_folder(&name)?,
            EntryType::Regular => draft.add_file(&name, entry.size(), mode & 0o111 != 0, &mut entry)?,
            other => return Err(UnpackFault::refused(&name, format!("is {}", describe(other)))),
        }
    }
    Ok(())
}

fn describe(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink | EntryType::Link => "a link, and packages have none",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        _ => "neither a file nor a folder",
    }
}

/// Ends with a fault where there is more than so many bytes.
struct Bounded<'a> {
    reader: Box<dyn Read + 'a>,
    left: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it goes on"));
        }
        let count = self.reader.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use tar::{Builder, Header};

    /// An archive of one entry, whose name is taken as it is.
    fn of(name: &[u8], kind: EntryType, mode: u32, content: &[u8]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        append(&mut builder, name, kind, mode, content);
        builder.into_inner().expect("memory")
    }

    fn append(builder: &mut Builder<Vec<u8>>, name: &[u8], kind: EntryType, mode: u32, content: &[u8]) {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").expect("short");
        }
        header.set_cksum();
        builder.append(&header, content).expect("memory");
    }

    fn fault(bytes: &[u8]) -> String {
        let mut draft = Draft::new(None).expect("a folder");
        let fault = unpack(bytes, &mut draft).expect_err("refused");
        assert_eq!(std::fs::read_dir(draft.content()).expect("lists").count(), 0, "{fault}");
        fault.to_string()
    }

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn what_has_no_place_in_a_package_is_refused_by_name() {
        let expected: [(&[u8], EntryType, &str); 10] = [
            (b"/etc/x", EntryType::Regular, "`/etc/x` is an absolute path"),
            (b"../x", EntryType::Regular, "`../x` leads out of the package"),
            (b"a/../../x", EntryType::Directory, "`a/../../x` leads out of the package"),
            (b"link", EntryType::Symlink, "`link` is a link, and packages have none"),
            (b"hard", EntryType::Link, "`hard` is a link, and packages have none"),
            (b"null", EntryType::Char, "`null` is a device"),
            (b"disk", EntryType::Block, "`disk` is a device"),
            (b"pipe", EntryType::Fifo, "`pipe` is a pipe"),
            (b"\xff", EntryType::Regular, "`\u{fffd}` is not UTF-8"),
            (b"a\x1b[2J", EntryType::Regular, "`a\\u{1b}[2J` has control characters in its name"),
        ];
        for (name, kind, message) in expected {
            assert_eq!(fault(&of(name, kind, 0o644, b"")), message);
            assert_eq!(fault(&compressed(&of(name, kind, 0o644, b""))), message);
        }
    }

    #[test]
    fn a_file_that_is_there_twice_does_not_replace_the_first() {
        let mut builder = Builder::new(Vec::new());
        append(&mut builder, b"a", EntryType::Regular, 0o644, b"first");
        append(&mut builder, b"./a", EntryType::Regular, 0o644, b"second");
        let mut draft = Draft::new(None).expect("a folder");
        let fault = unpack(&builder.into_inner().expect("memory"), &mut draft).expect_err("refused");
        assert_eq!(fault.to_string(), "`./a` is there twice");
    }

    #[test]
    fn set_id_bits_are_not_kept() {
        let mut draft = Draft::new(None).expect("a folder");
        unpack(&of(b"run.sh", EntryType::Regular, 0o6755, b"x"), &mut draft).expect("sound");
        let mode = std::fs::metadata(draft.content().join("run.sh")).expect("is there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn an_archive_that_unpacks_to_too_much_is_refused_before_it_is_written() {
        // It has no file at all, and more behind its end than anybody wants.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let zeros = vec![0; 1024 * 1024];
        for _ in 0..MOST_UNPACKED / 1024 / 1024 + 1 {
            encoder.write_all(&zeros).expect("memory");
        }
        let bomb = encoder.finish().expect("memory");
        assert!(bomb.len() < 1024 * 1024);
        let mut draft = Draft::new(None).expect("a folder");
        let too_much = "it has more than 80 MiB, unpacked";
        assert_eq!(unpack(&bomb, &mut draft).expect_err("refused").to_string(), too_much);

        // It says that one file is as large as that.
        let mut header = Header::new_gnu();
        header.set_path("huge").expect("short");
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(1 << 40);
        header.set_cksum();
        assert_eq!(fault(header.as_bytes()), "it has more than 64 MiB of files");

        // A name that is longer than everything else may be.
        let mut long = Header::new_gnu();
        long.set_path("././@LongLink").expect("short");
        long.set_entry_type(EntryType::GNULongName);
        long.set_size(MOST_UNPACKED * 2);
        long.set_cksum();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(long.as_bytes()).expect("memory");
        for _ in 0..MOST_UNPACKED / 1024 / 1024 + 1 {
            encoder.write_all(&zeros).expect("memory");
        }
        let bomb = encoder.finish().expect("memory");
        assert_eq!(unpack(&bomb, &mut draft).expect_err("refused").to_string(), too_much);
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let whole = compressed(&of(b"a", EntryType::Regular, 0o644, &[7; 5000]));
        let mut flipped = whole.clone();
        let last = flipped.len() - 5;
        flipped[last] ^= 1;
        for damaged in [&whole[..whole.len() - 9], &flipped, &b"no archive at all"[..], &[b'x'; 2048], &[0x1f, 0x8b]] {
            let mut draft = Draft::new(None).expect("a folder");
            let fault = unpack(damaged, &mut draft).expect_err("refused");
            assert!(matches!(fault, UnpackFault::Garbled(_) | UnpackFault::Io { .. }), "{fault}");
        }
    }
}
