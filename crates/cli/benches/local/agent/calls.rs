//! Commands over one open connection.

use super::content;
use super::ways::{Way, memory_folder};
use crate::sample::{Sample, Table};
use futures::{StreamExt, TryStreamExt, stream};
use sandboxer_reach::{AgentSession, ExecEvent, ExecRequest, Execution, ReachError, Session, WindowSize};
use std::time::Instant;

/// Enough that ten of them are beyond the 99th percentile.
const CALLS: usize = 1000;
const WARM_UP: usize = 50;
const CROWD: usize = 100;
const OF_A_CROWD: usize = 3000;

/// Calls one after another, each beside nothing, and beside what keeps the connection busy.
pub(crate) async fn measure(table: &mut Table, way: &Way) {
    let name = way.name;
    let session = &way.session;
    table.times(&format!("exec of `true`, {name}"), &execs(session).await, way.aims.exec);
    table.times(&format!("first byte of output, {name}"), &first_bytes(session).await, "-");
    table.times(&format!("echo of a terminal, {name}"), &echoes(session).await, way.aims.echo);
    let folder = memory_folder();
    let file = folder.path().join("endless");
    content::fill(&file);
    for downloads in [1, 8] {
        let saturating: Vec<_> = (0..downloads)
            .map(|_| {
                let (session, file) = (session.clone(), file.clone());
                tokio::spawn(async move {
                    loop {
                        content::download(&session, &file).await;
                    }
                })
            })
            .collect();
        let what =
            format!("exec of `true` beside {downloads} download{}, {name}", if downloads > 1 { "s" } else { "" });
        table.times(&what, &execs(session).await, if downloads == 1 { way.aims.beside } else { "-" });
        saturating.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Many at a time.
pub(crate) async fn crowd(table: &mut Table, way: &Way) {
    let run = |calls| stream::iter(0..calls).map(|_| run_true(&way.session)).buffer_unordered(CROWD);
    run(CROWD).try_collect::<()>().await.unwrap();
    let begin = Instant::now();
    run(OF_A_CROWD).try_collect::<()>().await.unwrap();
    let rate = OF_A_CROWD as f64 / begin.elapsed().as_secs_f64();
    table.figures(&format!("{CROWD} execs at a time, {}", way.name), &format!("{rate:.0} a second"), way.aims.crowd);
}

async fn run_true(session: &AgentSession) -> Result<(), ReachError> {
    let status = session.exec(ExecRequest::new(["/bin/true"])).await?.wait().await?;
    assert!(status.success());
    Ok(())
}

async fn execs(session: &AgentSession) -> Sample {
    let mut sample = Sample::empty();
    for call in 0..WARM_UP + CALLS {
        let begin = Instant::now();
        run_true(session).await.unwrap();
        sample.add_after(WARM_UP, call, begin.elapsed());
    }
    sample
}

async fn first_bytes(session: &AgentSession) -> Sample {
    let mut sample = Sample::empty();
    for call in 0..WARM_UP + CALLS {
        let begin = Instant::now();
        let mut execution = session.exec(ExecRequest::new(["/bin/echo", "word"])).await.unwrap();
        assert!(matches!(execution.next_event().await.unwrap(), Some(ExecEvent::Stdout(_))));
        sample.add_after(WARM_UP, call, begin.elapsed());
        execution.wait().await.unwrap();
    }
    sample
}

/// From a key pressed to its letter on the screen: the terminal itself answers.
async fn echoes(session: &AgentSession) -> Sample {
    let pty = Some(WindowSize { rows: 24, cols: 80 });
    let request = ExecRequest { pty, stdin: true, ..ExecRequest::new(["/bin/cat"]) };
    let mut execution = session.exec(request).await.unwrap();
    let input = execution.input();
    let mut sample = Sample::empty();
    for call in 0..WARM_UP + CALLS {
        let begin = Instant::now();
        input.write(&b"x"[..]).await.unwrap();
        one_byte(&mut execution).await;
        sample.add_after(WARM_UP, call, begin.elapsed());
        // A line of a terminal has an end somewhere.
        if call % CROWD == CROWD - 1 {
            input.write(&b"\x15"[..]).await.unwrap();
            settle(&mut execution).await;
        }
    }
    input.signal(9).await.unwrap();
    execution.wait().await.unwrap();
    sample
}

async fn one_byte(execution: &mut Execution) {
    let Some(ExecEvent::Pty(bytes)) = execution.next_event().await.unwrap() else { panic!("no output") };
    assert_eq!(&bytes[..], b"x");
}

/// Takes what a line that is taken back shows.
async fn settle(execution: &mut Execution) {
    let quiet = std::time::Duration::from_millis(20);
    while tokio::time::timeout(quiet, execution.next_event()).await.is_ok() {}
}
