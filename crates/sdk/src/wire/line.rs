//! Lines out of a stream of bytes, none longer than was agreed.

/// Collects bytes and gives out whole lines.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Up to here the buffer was given out.
    taken: usize,
    /// Up to here there is no end of a line.
    searched: usize,
    longest: usize,
}

/// A line is longer than was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line has more than {longest} bytes")]
pub struct LineFault {
    /// What was agreed, in bytes, the line's end included.
    pub longest: usize,
}

impl Lines {
    /// Lines of at most `longest` bytes, their end included.
    pub fn new(longest: usize) -> Self {
        Self { buffer: Vec::new(), taken: 0, searched: 0, longest }
    }

    /// Takes what came. At most one longest line and one piece are held.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.searched -= self.taken;
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without its end; `None` until more has come.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, LineFault> {
        let Some(length) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return if self.searched - self.taken >= self.longest { Err(self.fault()) } else { Ok(None) };
        };
        let (start, end) = (self.taken, self.searched + length);
        if end + 1 - start > self.longest {
            return Err(self.fault());
        }
        (self.taken, self.searched) = (end + 1, end + 1);
        let line = &self.buffer[start..end];
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// What came after the last end of a line.
    pub fn rest(&mut self) -> &[u8] {
        let start = std::mem::replace(&mut self.taken, self.buffer.len());
        self.searched = self.buffer.len();
        &self.buffer[start..]
    }

    fn fault(&self) -> LineFault {
        LineFault { longest: self.longest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Result<Vec<Vec<u8>>, LineFault> {
        let mut found = Vec::new();
        while let Some(line) = lines.next_line()? {
            found.push(line.to_vec());
        }
        Ok(found)
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let text = b"one\n\ntwo\r\nthree";
        for size in 1..text.len() {
            let mut lines = Lines::new(100);
            let mut found = Vec::new();
            for piece in text.chunks(size) {
                lines.push(piece);
                found.extend(all(&mut lines).expect("short lines"));
            }
            assert_eq!(found, [&b"one"[..], b"", b"two"]);
            assert_eq!(lines.rest(), b"three");
            assert_eq!(lines.rest(), b"");
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_agreed_and_no_longer() {
        let mut lines = Lines::new(5);
        lines.push(b"1234\n1234\n");
        assert_eq!(all(&mut lines).expect("as agreed").len(), 2);
        lines.push(b"12345\n");
        assert_eq!(all(&mut lines), Err(LineFault { longest: 5 }));
        let mut endless = Lines::new(5);
        endless.push(b"1234");
        assert_eq!(all(&mut endless), Ok(Vec::new()));
        endless.push(b"5");
        assert_eq!(all(&mut endless), Err(LineFault { longest: 5 }));
    }
}
