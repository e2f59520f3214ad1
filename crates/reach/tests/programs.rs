//! Programs that carry bytes on their standard streams.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::error::Error as _;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use sandboxer_reach::{AgentSession, Connector as _, ProcessStream, ReachErrorKind, Session as _, SessionOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn script(text: &str) -> ProcessStream {
    ProcessStream::new(["sh", "-c", text])
}

async fn refusal(stream: ProcessStream) -> (ErrorKind, String) {
    let error = stream.connect().await.map(drop).unwrap_err();
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn bytes_pass_and_each_direction_ends_by_itself() {
    let mut stream = ProcessStream::new(["cat"]).connect().await.unwrap();
    stream.write_all(b"there and back").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"there and back");
    assert_eq!(stream.write_all(b"late").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn what_comes_before_the_mark_is_skipped_and_nothing_behind_it() {
    for noise in ["printf 'Welcome!\\n'", "printf 'no end of the line '", "head -c 60000 /dev/zero", ":"] {
        let stream = script(&format!("{noise}; printf 'a-mark\\nfirst '; cat")).after_mark("a-mark");
        let mut stream = stream.connect().await.unwrap();
        stream.write_all(b"second").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "first second", "{noise}");
    }
}

#[tokio::test]
async fn a_program_that_does_not_connect_says_why() {
    let (kind, text) = refusal(script("echo Hello; echo no key >&2; echo denied >&2; exit 255").after_mark("m")).await;
    assert_eq!(kind, ErrorKind::ConnectionRefused);
    assert_eq!(text, "`sh` ended before it was connected (exit status: 255): no key; denied");
    let (kind, text) =
        refusal(script("echo wait >&2; exec sleep 1000").after_mark("m").within(Duration::from_secs(1))).await;
    assert_eq!((kind, text.as_str()), (ErrorKind::TimedOut, "`sh` did not connect within 1s: wait"));
    let (_, text) = refusal(ProcessStream::new(["yes"]).after_mark("m")).await;
    assert!(text.starts_with("`yes` said more than 64 KiB and did not connect"), "{text}");
    let (kind, text) = refusal(ProcessStream::new(["no-such-program"])).await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(text.starts_with("cannot start `no-such-program`: "), "{text}");
    assert_eq!(refusal(ProcessStream::new(Vec::<String>::new())).await.0, ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_connection_that_breaks_says_what_the_program_said_last() {
    for text in ["for i in $(seq 20); do echo line $i >&2; done; exit 3", "read x; echo line 20 >&2; kill -9 $$"] {
        let session = AgentSession::connect(&script(text), SessionOptions::default()).await.unwrap();
        let fault = session.health().await.unwrap_err();
        assert_eq!(fault.kind(), ReachErrorKind::Unreachable);
        let source = fault.source().unwrap().to_string();
        assert!(source.starts_with("`sh` closed the connection (") && source.ends_with("line 20"), "{source}");
        assert!(!source.contains("line 12"), "{source}");
    }
}

#[tokio::test]
async fn a_program_ends_with_its_stream_and_leaves_no_zombie() {
    // One that ends with its input, and one that must be made to.
    for text in ["echo $$; exec cat >/dev/null", "echo $$; exec sleep 1000"] {
        let mut stream = script(text).connect().await.unwrap();
        let mut line = vec![0; 32];
        let length = stream.read(&mut line).await.unwrap();
        let pid = String::from_utf8(line[..length].to_vec()).unwrap();
        let process = PathBuf::from(format!("/proc/{}", pid.trim()));
        assert!(process.exists());
        drop(stream);
        let gone = async {
            while process.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    }
}
