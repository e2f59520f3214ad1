//! Measures an agent over a unix socket. Build both first:
//! `cargo build --release -p sandboxer-agent -p sandboxer-reach --examples`.

use std::error::Error;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use sandboxer_agent::{Listen, Options};
use sandboxer_reach::{AgentSession, ExecRequest, ReachError, Session, SessionOptions, UnixSocket, WriteOptions};

type Result<Value> = std::result::Result<Value, Box<dyn Error>>;

const ROUNDS: usize = 1000;
const BULK: usize = 1 << 30;

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn say(what: &str, mut times: Vec<Duration>) -> Result<()> {
    times.sort();
    let (median, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    Ok(writeln!(std::io::stdout(), "{what}: median {median:.2?}, p99 {late:.2?}")?)
}

async fn run_true(session: &AgentSession) -> std::result::Result<(), ReachError> {
    session.exec(ExecRequest::new(["/bin/true"])).await?.wait().await.map(drop)
}

fn memory(agent: &Agent) -> Result<String> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.0.id()))?;
    let lines = status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"));
    Ok(lines.collect::<Vec<_>>().join(" "))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = UnixSocket(folder.path().join("agent.sock"));
    let listener = UnixListener::bind(&socket.0)?;
    let options = serde_json::to_string(&Options::new(Listen::InheritedFd(0), "root"))?;
    let program = std::env::current_exe()?.with_file_name("agent");
    let mut command = Command::new(program);
    let begun = Instant::now();
    let agent = Agent(command.arg(options).stdin(OwnedFd::from(listener)).spawn()?);
    let session = AgentSession::connect(&socket, SessionOptions::default()).await?;
    run_true(&session).await?;
    writeln!(std::io::stdout(), "start to first exec done: {:.2?}; {}", begun.elapsed(), memory(&agent)?)?;
    latencies(&session, &socket).await?;
    crowds(&session).await?;
    writeln!(std::io::stdout(), "{}", memory(&agent)?)?;
    bulk(&session, folder.path()).await?;
    // Enough for the agent to give memory back.
    for _ in 0..100 {
        run_true(&session).await?;
    }
    writeln!(std::io::stdout(), "{}", memory(&agent)?).map_err(Into::into)
}

async fn latencies(session: &AgentSession, socket: &UnixSocket) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        run_true(session).await?;
        times.push(begun.elapsed());
    }
    say("exec of true", times)?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        Command::new("/bin/true").stdout(std::process::Stdio::piped()).output()?;
        times.push(begun.elapsed());
    }
    say("a host spawn", times)?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        session.health().await?;
        times.push(begun.elapsed());
    }
    say("health", times)?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        run_true(&AgentSession::connect(socket, SessionOptions::default()).await?).await?;
        times.push(begun.elapsed());
    }
    say("connect and exec", times)
}

async fn crowds(session: &AgentSession) -> Result<()> {
    let begun = Instant::now();
    futures::stream::iter(0..2000).map(|_| run_true(session)).buffer_unordered(100).try_collect::<()>().await?;
    writeln!(std::io::stdout(), "100 at a time: {:.0} a second", 2000.0 / begun.elapsed().as_secs_f64())?;
    let begun = Instant::now();
    let executions: Vec<_> = (0..1000)
        .map(|_| async {
            let request = ExecRequest { stdin: true, ..ExecRequest::new(["cat"]) };
            let mut execution = session.exec(request).await?;
            execution.input().write(vec![1; 10_000]).await?;
            execution.input().close_stdin().await?;
            execution.wait().await
        })
        .collect();
    futures::future::try_join_all(executions).await?;
    Ok(writeln!(std::io::stdout(), "1000 at once: {:.2?}", begun.elapsed())?)
}

fn rate(what: &str, begun: Instant) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{what}: {:.0} MB/s", BULK as f64 / 1e6 / begun.elapsed().as_secs_f64())?)
}

async fn bulk(session: &AgentSession, folder: &std::path::Path) -> Result<()> {
    let begun = Instant::now();
    let size = BULK.to_string();
    let mut execution = session.exec(ExecRequest::new(["head", "-c", &size, "/dev/zero"])).await?;
    execution.wait().await?;
    rate("output", begun)?;
    let begun = Instant::now();
    let request = ExecRequest { stdin: true, ..ExecRequest::new(["sh", "-c", "cat > /dev/null"]) };
    let mut execution = session.exec(request).await?;
    let input = execution.input();
    let piece = Bytes::from(vec![7; 1 << 20]);
    for _ in 0..BULK >> 20 {
        input.write(piece.clone()).await?;
    }
    input.close_stdin().await?;
    execution.wait().await?;
    rate("input", begun)?;
    let path = folder.join("bulk");
    let begun = Instant::now();
    let pieces = futures::stream::iter((0..BULK >> 20).map(move |_| Ok(piece.clone()))).boxed();
    session.write(&path, WriteOptions::default(), pieces, None).await?;
    rate("upload", begun)?;
    let begun = Instant::now();
    session.read(&path, None).await?.stream.try_for_each(|_| async { Ok(()) }).await?;
    rate("download", begun)
}
