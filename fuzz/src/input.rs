//! Taking an input apart.

/// What is left of an input. What lacks is zero or empty, so that every input means something.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte: a choice, or a size.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// One of several.
    pub fn choose<Choice: Copy>(&mut self, choices: &[Choice]) -> Choice {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// The next line, as text; what is no UTF-8 is replaced.
    pub fn line(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let (line, rest) = match end {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        String::from_utf8_lossy(line).into_owned()
    }

    /// Everything that was not taken.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Cuts bytes as a slow sender would; a size of 0 cuts nothing.
pub fn pieces(bytes: &[u8], size: u8) -> Vec<&[u8]> {
    match usize::from(size) {
        0 => vec![bytes],
        size => bytes.chunks(size).collect(),
    }
}

impl<'a> Input<'a> {
    /// Everything that was not taken, cut into pieces.
    pub fn pieces(self, size: u8) -> Vec<&'a [u8]> {
        pieces(self.0, size)
    }
}
