//! A call's part of a standard error: what stands between two lines of the script's.

use bytes::{Bytes, BytesMut};

/// Of what comes before the first line, so much is kept.
const MOST_NOISE: usize = 64 * 1024;

/// Splits what a command says on its standard error from what a login says before, and from the line that says how it
/// ended.
#[derive(Debug)]
pub(super) struct Trailer {
    first: Vec<u8>,
    sign: Vec<u8>,
    begun: bool,
    held: BytesMut,
}

impl Trailer {
    pub(super) fn new(nonce: &str) -> Self {
        let (first, sign) = (format!("\n{nonce} begun\n").into_bytes(), format!("\n{nonce} exit ").into_bytes());
        Self { first, sign, begun: false, held: BytesMut::new() }
    }

    /// Takes what was read; gives what is the command's for sure.
    pub(super) fn take(&mut self, read: &[u8]) -> Bytes {
        self.held.extend_from_slice(read);
        if !self.begun {
            let Some(start) = find(&self.held, &self.first) else {
                let noise = self.held.len().saturating_sub(MOST_NOISE);
                drop(self.held.split_to(noise));
                return Bytes::new();
            };
            drop(self.held.split_to(start + self.first.len()));
            self.begun = true;
        }
        let sure = find(&self.held, &self.sign).unwrap_or_else(|| self.held.len() - self.arriving());
        self.held.split_to(sure).freeze()
    }

    /// What is neither the command's nor the script's: the words of `ssh`, where it fails.
    pub(super) fn held(&self) -> String {
        String::from_utf8_lossy(&self.held).into_owned()
    }

    /// The command's code, once the whole line was read.
    pub(super) fn code(&self) -> Option<i32> {
        let rest = self.held.strip_prefix(self.sign.as_slice())?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
    }

    /// How much of the sign may have been read already.
    fn arriving(&self) -> usize {
        let most = self.held.len().min(self.sign.len() - 1);
        (1..=most).rev().find(|length| self.held.ends_with(&self.sign[..*length])).unwrap_or(0)
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_wherever_reads_end() {
        let text = b"noise n0 begun\n\nn0 begun\none\n\ntwo\nn0 exits\n\nn0 exit 17\n";
        for size in 1..=text.len() {
            let mut trailer = Trailer::new("n0");
            let mut said = Vec::new();
            for part in text.chunks(size) {
                assert_eq!(trailer.code(), None);
                said.extend_from_slice(&trailer.take(part));
            }
            assert_eq!((said.as_slice(), trailer.code()), (&b"one\n\ntwo\nn0 exits\n"[..], Some(17)), "{size}");
        }
    }

    #[test]
    fn what_cannot_be_the_line_is_given_at_once() {
        let mut trailer = Trailer::new("n0");
        assert_eq!(&trailer.take(b"no\n")[..], b"");
        assert_eq!(trailer.held(), "no\n");
        assert_eq!(&trailer.take(b"\nn0 begun\n")[..], b"");
        assert_eq!(&trailer.take(b"Password: ")[..], b"Password: ");
        assert_eq!(&trailer.take(b"\nn1")[..], b"\nn1");
        assert_eq!(&trailer.take(b"x\n")[..], b"x");
        assert_eq!(&trailer.take(b"y")[..], b"\ny");
        assert_eq!(trailer.code(), None);
    }
}
