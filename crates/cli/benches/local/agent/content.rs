//! Large files, beside `cat` through the same connection.

use super::ways::Way;
use crate::sample::{Sample, Table};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use sandboxer_reach::{AgentSession, ExecEvent, ExecRequest, Session, WriteOptions};
use std::path::Path;
use std::time::Instant;

const SIZE: usize = 1 << 30;
const PIECE: usize = 1 << 18;
const ROUNDS: usize = 5;

/// A file of that size.
pub(crate) fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    let piece = vec![7; PIECE];
    for _ in 0..SIZE / PIECE {
        std::io::Write::write_all(&mut file, &piece).unwrap();
    }
}

/// Both directions.
pub(crate) async fn measure(table: &mut Table, way: &Way, folder: &Path) {
    let file = folder.join("content");
    fill(&file);
    let (session, name, aim) = (&way.session, way.name, way.aims.content);
    let (mut whole, mut cat) = (Sample::empty(), Sample::empty());
    for _ in 0..ROUNDS {
        whole.add(timed(download(session, &file)).await);
        cat.add(timed(cat_out(session, &file)).await);
    }
    table.rates(&format!("download of 1 GiB, {name}"), SIZE, &whole, &cat, aim);
    let (mut whole, mut cat) = (Sample::empty(), Sample::empty());
    for _ in 0..ROUNDS {
        std::fs::remove_file(&file).unwrap();
        whole.add(timed(upload(session, &file)).await);
        std::fs::remove_file(&file).unwrap();
        cat.add(timed(cat_in(session, &file)).await);
    }
    table.rates(&format!("upload of 1 GiB, {name}"), SIZE, &whole, &cat, aim);
}

async fn timed(work: impl Future<Output = ()>) -> std::time::Duration {
    let begin = Instant::now();
    work.await;
    begin.elapsed()
}

/// Takes a whole file.
pub(crate) async fn download(session: &AgentSession, file: &Path) {
    let pieces = session.read(file, None).await.unwrap().stream;
    let size = pieces.try_fold(0, |sum, piece| async move { Ok(sum + piece.len()) }).await.unwrap();
    assert_eq!(size, SIZE);
}

async fn cat_out(session: &AgentSession, file: &Path) {
    let request = ExecRequest::new(["cat", file.to_str().unwrap()]);
    let mut execution = session.exec(request).await.unwrap();
    let mut size = 0;
    while let Some(event) = execution.next_event().await.unwrap() {
        if let ExecEvent::Stdout(bytes) = event {
            size += bytes.len();
        }
    }
    assert_eq!(size, SIZE);
}

fn pieces() -> impl Iterator<Item = Bytes> + Send {
    std::iter::repeat_n(Bytes::from(vec![7; PIECE]), SIZE / PIECE)
}

async fn upload(session: &AgentSession, file: &Path) {
    let content = stream::iter(pieces().map(Ok)).boxed();
    session.write(file, WriteOptions::default(), content, None).await.unwrap();
}

async fn cat_in(session: &AgentSession, file: &Path) {
    let script = format!("cat > '{}'", file.display());
    let request = ExecRequest { stdin: true, ..ExecRequest::new(["sh", "-c", &script]) };
    let mut execution = session.exec(request).await.unwrap();
    let input = execution.input();
    for piece in pieces() {
        input.write(piece).await.unwrap();
    }
    input.close_stdin().await.unwrap();
    assert!(execution.wait().await.unwrap().success());
}
