//! One shell on the machine, and one call of the script in it.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::gate::Gate;
use super::trailer::Trailer;
use crate::ssh::nonce;
use crate::{ReachError, ReachErrorKind as Kind};

const SCRIPT: &str = include_str!("script.sh");
/// More noise than this is no login shell's.
const MOST_NOISE: usize = 64 * 1024;
/// Time for the last of a standard output once a command has ended.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// Bytes read at once.
const PART: usize = 64 * 1024;

/// A call that has begun.
pub(super) struct Shell {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) output: Output,
    /// What the call said when it began.
    pub(super) word: String,
}

/// What a call says from then on.
pub(super) struct Output {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    unread: BytesMut,
    /// Of the standard error, what came before it was known that the call had begun.
    early: BytesMut,
    trailer: Trailer,
    gate: Gate,
    /// Ends with this.
    _child: Child,
}

/// A piece of it.
pub(super) enum Piece {
    Out(Bytes),
    Error(Bytes),
    /// With the code of the call.
    End(i32),
}

impl Shell {
    /// Calls a verb of the script; waits until it begins.
    pub(super) async fn call(gate: &Gate, verb: &str, arguments: &[&[u8]]) -> Result<Self, ReachError> {
        gate.open().await?;
        let nonce = nonce()?;
        let text = script(&nonce, verb, arguments)?;
        let argv = gate.argv();
        let (program, arguments) = argv.split_first().ok_or_else(|| ReachError::protocol("no program"))?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| ReachError::local("cannot run ssh", error))?;
        let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut output = Output {
            stdout,
            stderr,
            unread: BytesMut::new(),
            early: BytesMut::new(),
            trailer: Trailer::new(&nonce),
            gate: gate.clone(),
            _child: child,
        };
        if let Some(line) = gate.entering(&nonce)? {
            tell(&mut stdin, &line).await;
            output.hear(&nonce, "entered").await?;
        }
        tell(&mut stdin, &text).await;
        let word = output.hear(&nonce, "begun").await?;
        Ok(Self { stdin, output, word })
    }
}

impl Output {
    /// As [`begin`](Self::begin), within the time that a shell has to say anything.
    async fn hear(&mut self, nonce: &str, word: &str) -> Result<String, ReachError> {
        let (name, silence) = (self.gate.site().name(), self.gate.site().silence);
        tokio::time::timeout(silence, self.begin(nonce, word)).await.map_err(|_| {
            ReachError::new(Kind::Deadline, format!("the login shell of `{name}` has not answered for {silence:?}"))
        })?
    }

    /// Skips what a login says; gives what the shell says behind that word, or why it does not.
    async fn begin(&mut self, nonce: &str, word: &str) -> Result<String, ReachError> {
        let (begun, fault) = (format!("{nonce} {word}"), format!("{nonce} fault "));
        let mut read = 0;
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(end + 1);
                let line = String::from_utf8_lossy(&line[..end]);
                if let Some(word) = line.strip_prefix(&begun) {
                    return Ok(word.trim().to_owned());
                }
                if let Some(step) = line.strip_prefix(&fault) {
                    return Err(refused(step));
                }
            }
            // Only what was looked through is noise: what the call says may come right behind it.
            if read > MOST_NOISE {
                return Err(ReachError::protocol("a login shell says a lot, but runs no `/bin/sh`"));
            }
            match self.read_on().await? {
                Piece::Out(bytes) => {
                    read += bytes.len();
                    self.unread.extend_from_slice(&bytes);
                }
                Piece::Error(bytes) => self.early.extend_from_slice(&bytes),
                Piece::End(_) => return Err(tool(&self.early)),
            }
        }
    }

    /// What comes next. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Piece, ReachError> {
        if !self.unread.is_empty() {
            return Ok(Piece::Out(self.unread.split().freeze()));
        }
        if !self.early.is_empty() {
            return Ok(Piece::Error(self.early.split().freeze()));
        }
        self.read_on().await
    }

    async fn read_on(&mut self) -> Result<Piece, ReachError> {
        let (mut out, mut error) = (BytesMut::with_capacity(PART), BytesMut::with_capacity(PART));
        loop {
            let code = self.trailer.code();
            match (&self.stdout, &self.stderr, code) {
                (None, _, Some(code)) => return Ok(Piece::End(code)),
                (None, None, None) => return Err(self.lost()),
                (Some(_), ..) | (None, Some(_), None) => {}
            }
            let ends_soon = code.is_some() || self.stderr.is_none();
            tokio::select! {
                length = read(&mut self.stdout, &mut out) => match length {
                    0 => self.stdout = None,
                    _ => return Ok(Piece::Out(out.freeze())),
                },
                length = read(&mut self.stderr, &mut error), if code.is_none() => {
                    let sure = self.trailer.take(&error);
                    error.clear();
                    // Why there is no more may still stand on the standard output.
                    if length == 0 {
                        self.stderr = None;
                    }
                    if !sure.is_empty() {
                        return Ok(Piece::Error(sure));
                    }
                }
                // What the command has started may hold its standard output open for ever.
                () = tokio::time::sleep(LAST_WORDS), if ends_soon => self.stdout = None,
            }
        }
    }

    /// All that is still to come: the standard output, and the code with what was said beside it.
    pub(super) async fn rest(&mut self) -> Result<(Vec<u8>, i32, Vec<u8>), ReachError> {
        let (mut out, mut said) = (Vec::new(), Vec::new());
        loop {
            match self.next().await? {
                Piece::Out(bytes) => out.extend_from_slice(&bytes),
                Piece::Error(bytes) => said.extend_from_slice(&bytes),
                Piece::End(code) => return Ok((out, code, said)),
            }
        }
    }

    fn lost(&self) -> ReachError {
        self.gate.lost(&self.trailer.held())
    }
}

/// Where the shell cannot be told, what is read says why.
async fn tell(stdin: &mut Option<ChildStdin>, text: &str) {
    if let Some(stdin) = stdin {
        stdin.write_all(text.as_bytes()).await.ok();
    }
}

/// Reads more, as far as there is a stream; a broken one has ended.
async fn read<Stream: AsyncRead + Unpin>(stream: &mut Option<Stream>, into: &mut BytesMut) -> usize {
    match stream {
        Some(stream) => stream.read_buf(into).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// The script, and a line that calls it with words that mean nothing to a shell.
fn script(nonce: &str, verb: &str, arguments: &[&[u8]]) -> Result<String, ReachError> {
    let mut text = format!("{SCRIPT}main {nonce} {verb}");
    for argument in arguments {
        if argument.contains(&0) {
            return Err(ReachError::new(Kind::InvalidInput, "a zero byte cannot be part of an argument or a path"));
        }
        text.push_str(" '");
        for byte in *argument {
            if byte.is_ascii_alphanumeric() || b"/._-+".contains(byte) {
                text.push(char::from(*byte));
            } else {
                // As `printf %b` has it. Writing into a text cannot fail.
                write!(text, "\\0{byte:03o}").ok();
            }
        }
        text.push('\'');
    }
    text.push('\n');
    Ok(text)
}

/// A call that did not begin.
fn refused(step: &str) -> ReachError {
    let (kind, message) = match step {
        "command" => (Kind::CommandNotFound, "there is no such program"),
        "executable" => (Kind::NotExecutable, "the program cannot be executed"),
        "directory" => (Kind::WorkingDirectory, "the working directory cannot be entered"),
        "absent" => (Kind::NotFound, "there is no such file"),
        "folder" => (Kind::Precondition, "it is a folder"),
        "denied" => (Kind::PermissionDenied, "the file may not be read"),
        _ => (Kind::Protocol, "the machine's shell answered what it should not"),
    };
    ReachError::new(kind, message)
}

/// A program of the machine that failed, by its words.
pub(super) fn tool(said: &[u8]) -> ReachError {
    let said = String::from_utf8_lossy(said).trim().to_owned();
    let signs = [
        ("No such file", Kind::NotFound),
        ("No such process", Kind::NotFound),
        ("File exists", Kind::AlreadyExists),
        ("ermission denied", Kind::PermissionDenied),
        ("not permitted", Kind::PermissionDenied),
        ("Read-only file system", Kind::PermissionDenied),
        ("No space left", Kind::Exhausted),
        ("quota", Kind::Exhausted),
    ];
    let kind = signs.iter().find(|(sign, _)| said.contains(sign)).map_or(Kind::Precondition, |(_, kind)| *kind);
    ReachError::new(kind, if said.is_empty() { "the machine refused without a word".to_owned() } else { said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_nothing_to_a_shell() {
        let text = script("n0", "exec", &[b"a/b.c", b"it's; $(id)\n", b"", "ü\\".as_bytes()]).unwrap();
        let call = text.strip_prefix(SCRIPT).unwrap();
        assert_eq!(
            call,
            "main n0 exec 'a/b.c' 'it\\0047s\\0073\\0040\\0044\\0050id\\0051\\0012' '' '\\0303\\0274\\0134'\n"
        );
        assert_eq!(script("n0", "exec", &[b"a\0b"]).unwrap_err().kind(), Kind::InvalidInput);
    }
}
