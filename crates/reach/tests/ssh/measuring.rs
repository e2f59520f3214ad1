//! What the ways cost: `cargo nextest run --release -p sandboxer-reach --test ssh --run-ignored only measuring --no-capture`

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use sandboxer_reach::{AgentPlace, AgentSession, ExecRequest, Session as _, SessionOptions, Ssh, WriteOptions};

use crate::support::sshd::Machine;
use crate::support::{Agent, pattern, run};

const MEGABYTE: usize = 1 << 20;

#[allow(clippy::print_stderr, reason = "this is what it is for")]
fn tell(what: &str, text: &str) {
    eprintln!("{what:42} {text}");
}

/// The middle and the slow end of many rounds, in milliseconds.
async fn timed<Round: Future<Output = ()>>(what: &str, rounds: usize, round: impl Fn() -> Round) {
    round().await;
    let mut spans = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        round().await;
        spans.push(begun.elapsed());
    }
    spans.sort();
    let shown = |share: f64| format!("{:.2}", spans[(spans.len() as f64 * share) as usize].as_secs_f64() * 1e3);
    tell(what, &format!("p50 {} ms, p99 {} ms", shown(0.5), shown(0.99)));
}

async fn rates(name: &str, session: &AgentSession, folder: &std::path::Path) {
    let once = || async { drop(run(session, ExecRequest::new(["true"])).await.unwrap()) };
    timed(&format!("{name}: exec `true`"), 1000, once).await;
    let begun = Instant::now();
    let many = futures::stream::iter((0..3000).map(|_| once())).buffer_unordered(100).count().await;
    tell(&format!("{name}: 100 at a time"), &format!("{:.0} a second", many as f64 / begun.elapsed().as_secs_f64()));
    let (path, part) = (folder.join("large"), Bytes::from(pattern(MEGABYTE)));
    let begun = Instant::now();
    let content = futures::stream::iter(std::iter::repeat_n(part, 512)).map(Ok).boxed();
    session.write(&path, WriteOptions::default(), content, None).await.unwrap();
    let written = 512.0 / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let content = session.read(&path, None).await.unwrap();
    let read: usize = content
        .stream
        .map_ok(|part| part.len())
        .try_fold(0, |sum, length| async move { Ok(sum + length) })
        .await
        .unwrap();
    assert_eq!(read, 512 * MEGABYTE);
    let read = 512.0 / begun.elapsed().as_secs_f64();
    tell(&format!("{name}: a file of 512 MiB"), &format!("{written:.0} MiB/s there, {read:.0} MiB/s back"));
    let mut noise = session.exec(ExecRequest::new(["cat", "/dev/zero"])).await.unwrap();
    let input = noise.input();
    let drain = tokio::spawn(async move { while let Ok(Some(_)) = noise.next_event().await {} });
    timed(&format!("{name}: exec beside a stream"), 200, once).await;
    input.signal(9).await.unwrap();
    drain.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn ways() {
    let local = Agent::start();
    rates("unix socket", &local.session().await, local.folder()).await;
    let machine = Machine::start();
    let ssh = machine.ssh(&machine.home());
    for (name, relay) in [("relay", true), ("forwarded", false)] {
        let first = ssh.relayed().await.unwrap();
        let stream = if relay { first } else { ssh.forwarded().await.unwrap() };
        let session = AgentSession::over(stream, SessionOptions::default()).await.unwrap();
        rates(name, &session, &machine.home()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn connecting() {
    let machine = Machine::start();
    let size = 15_000_000;
    let agent = machine.agent(&machine.home(), &pattern(size));
    let ssh = Ssh::new(machine.master(), agent, AgentPlace::default());
    let begun = Instant::now();
    ssh.relayed().await.unwrap();
    tell("a cold machine, 15 MB pushed", &format!("{:.0} ms", begun.elapsed().as_secs_f64() * 1e3));
    let healthy = |relay: bool| {
        let ssh = &ssh;
        async move {
            let stream = if relay { ssh.relayed().await.unwrap() } else { ssh.forwarded().await.unwrap() };
            AgentSession::over(stream, SessionOptions::default()).await.unwrap().health().await.unwrap();
        }
    };
    timed("connect and ping: by a relay", 100, || healthy(true)).await;
    timed("connect and ping: forwarded", 300, || healthy(false)).await;
    let anew = || async {
        let process = crate::support::watch(ssh.master().check().await.unwrap().unwrap());
        ssh.master().exit().await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), crate::support::ended(process)).await.unwrap();
        ssh.master().open().await.unwrap();
    };
    timed("end a connection, log in again", 20, anew).await;
}
