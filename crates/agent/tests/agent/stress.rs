//! Much at once, and for long, in little memory.

use bytes::Bytes;
use futures::StreamExt as _;
use sandboxer_reach::{AgentSession, ExecRequest, Session as _, SessionOptions, UnixSocket, WriteOptions};

use crate::support::{Agent, finish};

/// What the agent may need, whatever is asked of it.
const MEMORY: u64 = 64 << 20;
const GIBIBYTE: u64 = 1 << 30;
const PIECE: usize = 1 << 20;

async fn session(agent: &Agent) -> AgentSession {
    AgentSession::connect(&UnixSocket(agent.socket()), SessionOptions::default()).await.unwrap()
}

/// Bytes that tell where they belong.
fn piece(number: u64) -> Bytes {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..PIECE / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect::<Vec<u8>>().into()
}

#[tokio::test]
async fn a_gibibyte_goes_both_ways_in_little_memory() {
    let agent = Agent::start();
    let session = session(&agent).await;
    let path = agent.path("large");
    // One piece, so that making it is not what takes the time; its place is told by a counter in its first bytes.
    let pattern = piece(7);
    let marked = move |number: u64| {
        let mut bytes = pattern.to_vec();
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Bytes::from(bytes)
    };
    let sent = marked.clone();
    let content = futures::stream::iter((0..GIBIBYTE / PIECE as u64).map(move |number| Ok(sent(number)))).boxed();
    session.write(path.as_ref(), WriteOptions::default(), content, None).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), GIBIBYTE);
    let mut stream = session.read(path.as_ref(), None).await.unwrap().stream;
    let (mut number, mut held) = (0, Vec::new());
    while let Some(bytes) = stream.next().await {
        held.extend_from_slice(&bytes.unwrap());
        while held.len() >= PIECE {
            let rest = held.split_off(PIECE);
            assert!(held == marked(number), "piece {number} differs");
            (held, number) = (rest, number + 1);
        }
    }
    assert_eq!((number, held.len()), (GIBIBYTE / PIECE as u64, 0));
    assert!(agent.peak_memory() < MEMORY, "{} bytes", agent.peak_memory());
}

#[tokio::test]
async fn a_thousand_commands_at_once_and_memory_comes_back() {
    let agent = Agent::start();
    let session = session(&agent).await;
    session.health().await.unwrap();
    let before = agent.memory();
    let commands = (0..1000).map(|number: u32| {
        let session = &session;
        async move {
            let request =
                ExecRequest::new(["sh".to_owned(), "-c".to_owned(), format!("echo {number}; exit {}", number % 7)]);
            let mut execution = session.exec(request).await.unwrap();
            let finished = finish(&mut execution).await.unwrap();
            assert_eq!(finished.text(), format!("{number}\n"));
            assert_eq!(finished.exit.shell_code(), i32::try_from(number % 7).unwrap());
        }
    });
    futures::future::join_all(commands).await;
    assert!(agent.peak_memory() < 2 * MEMORY, "{} bytes", agent.peak_memory());
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while agent.memory() > before + (16 << 20) {
        assert!(tokio::time::Instant::now() < end, "{} bytes, {before} before", agent.memory());
        session.health().await.unwrap();
    }
}

#[tokio::test]
async fn two_hundred_unread_streams_block_no_other_call() {
    let agent = Agent::start();
    let session = session(&agent).await;
    let mut unread = Vec::new();
    for _ in 0..200 {
        unread.push(session.exec(ExecRequest::new(["yes"])).await.unwrap());
    }
    let large = agent.path("large");
    std::fs::File::create(&large).unwrap().set_len(1 << 30).unwrap();
    let mut downloads = Vec::new();
    for _ in 0..20 {
        downloads.push(session.read(large.as_ref(), None).await.unwrap());
    }
    for _ in 0..20 {
        session.health().await.unwrap();
        let mut execution = session.exec(ExecRequest::new(["echo", "through"])).await.unwrap();
        assert_eq!(finish(&mut execution).await.unwrap().text(), "through\n");
    }
    // 200 streams, each with what a pipe, four pieces and the connection's own buffer hold.
    assert!(agent.peak_memory() < 3 * MEMORY, "{} bytes", agent.peak_memory());
}

#[tokio::test]
async fn ten_gigabytes_that_nobody_reads_pass_by() {
    let agent = Agent::start();
    let session = session(&agent).await;
    let request = ExecRequest { tag: Some("flood".to_owned()), ..ExecRequest::new(["head", "-c", "10G", "/dev/zero"]) };
    drop(session.exec(request).await.unwrap());
    let exit = session.wait(&sandboxer_reach::ProcessSelector::Tag("flood".to_owned())).await.unwrap();
    assert!(exit.success(), "{exit:?}");
    assert!(agent.peak_memory() < MEMORY, "{} bytes", agent.peak_memory());
}

#[tokio::test]
async fn ten_thousand_files_are_listed() {
    let agent = Agent::start();
    let session = session(&agent).await;
    let folder = agent.path("many");
    std::fs::create_dir(&folder).unwrap();
    for number in 0..10_000 {
        std::fs::write(format!("{folder}/{number}"), "").unwrap();
    }
    assert_eq!(session.list(folder.as_ref(), None).await.unwrap().len(), 10_000);
    let listed =
        crate::http::unary(&agent, "filesystem.Filesystem/ListDir", &serde_json::json!({"path": folder})).json();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 10_000);
    assert!(agent.peak_memory() < MEMORY, "{} bytes", agent.peak_memory());
}
