use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use crate::inside::run as run_inside;

check!(
    L4,
    "exec-streams",
    rule: "Output and errors stay apart, and every byte arrives as it was, either way",
    does: "runs a command that writes to both streams, and sends ten mebibytes of every byte there is through one that returns them",
    proves: "archives, images and binary protocols can go through"
);

const LENGTH: usize = 10 << 20;

async fn run(bench: &Bench) -> Verdict {
    let made = bench.make().await?;
    let session = bench.enter(&made).await?;
    let both =
        run_inside(session.as_ref(), &made, &["sh", "-c", "printf out; printf err >&2; printf put"], b"").await?;
    hold!(both.stdout == b"output", "its standard output came as `{}`", both.text());
    hold!(both.stderr == b"err", "its standard error came as `{}`", String::from_utf8_lossy(&both.stderr));
    let sent = every_byte(bench);
    let back = run_inside(session.as_ref(), &made, &["cat"], &sent).await?;
    hold!(back.status == 0, "`cat` ended with {}", back.status);
    let differs = sent.iter().zip(&back.stdout).position(|(sent, back)| sent != back);
    hold!(
        back.stdout.len() == sent.len() && differs.is_none(),
        "of {} bytes {} came back; the first that differs is {differs:?}",
        sent.len(),
        back.stdout.len()
    );
    bench.remove(&made.named, &made.handle).await.map(drop)
}

fn every_byte(bench: &Bench) -> Vec<u8> {
    let mut dice = bench.dice();
    let mut bytes = Vec::with_capacity(LENGTH + 8);
    while bytes.len() < LENGTH {
        bytes.extend_from_slice(&dice.next().to_le_bytes());
    }
    bytes.truncate(LENGTH);
    bytes
}
