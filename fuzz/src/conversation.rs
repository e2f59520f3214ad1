//! One client and a fresh agent, over a stream in memory.

use std::pin::pin;
use std::time::Duration;

use sandboxer_agent::fuzzing::Agent;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, split};
use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tokio::time::{pause, resume, timeout};

const BUFFER: usize = 64 * 1024;
/// Who hears nothing for so long hangs up: watches say nothing for ever.
const QUIET: Duration = Duration::from_millis(20);
/// So much of an answer is kept.
const HEARD: usize = 1 << 20;

/// What a client does that has said everything.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Whether it ends its side. In HTTP/2, who does so wants no answer.
    pub ends_its_side: bool,
    pub waits: Wait,
}

/// For how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until it is quiet.
    Quiet,
    /// Until it was answered, and is quiet then.
    Answer,
    /// Until the agent hangs up.
    End,
}

/// Sends the pieces one by one, takes what is answered, and hangs up. Returns only when the agent has let go of the
/// connection.
pub fn converse(runtime: &Runtime, agent: &Agent, pieces: &[Vec<u8>], manner: Manner) -> Vec<u8> {
    runtime.block_on(async {
        let (client, server) = duplex(BUFFER);
        let mut heard = Vec::new();
        let mut serving = pin!(agent.serve(server));
        let mut left = false;
        {
            let mut talking = pin!(talk(client, pieces, manner, &mut heard));
            loop {
                tokio::select! {
                    biased;
                    () = &mut talking => break,
                    () = &mut serving, if !left => left = true,
                }
            }
        }
        if !left {
            // Time is over at once where there is nothing to do but wait for it, so that what waits for a minute ends
            // now; what does not end at all is found by libFuzzer's own clock.
            pause();
            serving.await;
            resume();
        }
        heard
    })
}

async fn talk(client: DuplexStream, pieces: &[Vec<u8>], manner: Manner, heard: &mut Vec<u8>) {
    let (mut reader, mut writer) = split(client);
    let write = async {
        for piece in pieces {
            // An agent that has hung up needs not be told the rest.
            if writer.write_all(piece).await.is_err() {
                return;
            }
            yield_now().await;
        }
        if manner.ends_its_side {
            writer.shutdown().await.ok();
        }
    };
    let mut read = pin!(async {
        let mut buffer = vec![0; BUFFER];
        loop {
            let patient = manner.waits == Wait::End || manner.waits == Wait::Answer && heard.is_empty();
            let patience = if patient { Duration::MAX } else { QUIET };
            let Ok(Ok(length @ 1..)) = timeout(patience, reader.read(&mut buffer)).await else { break };
            let room = HEARD.saturating_sub(heard.len());
            heard.extend_from_slice(&buffer[..length.min(room)]);
        }
    });
    tokio::select! {
        () = &mut read => {}
        () = write => read.await,
    }
}
