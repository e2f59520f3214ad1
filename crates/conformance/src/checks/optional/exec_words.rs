use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use crate::inside::run as run_inside;

check!(
    L4,
    "exec-words",
    rule: "The words of a command arrive as they are",
    does: "runs a command whose arguments are empty, have blanks, quotes, line ends, patterns, variables, options and letters of many scripts, and that says each as it came",
    proves: "no shell stands between the caller and the command"
);

const WORDS: [&str; 14] = [
    "",
    " ",
    "two words",
    "'single'",
    "\"double\"",
    "$HOME",
    "`id`",
    "$(id)",
    "*",
    "line\nend",
    "tab\there",
    "-n",
    "back\\slash",
    "naïve 日本語 🦀",
];

async fn run(bench: &Bench) -> Verdict {
    let made = bench.make().await?;
    let session = bench.enter(&made).await?;
    let mut words = vec!["sh", "-c", r#"for word; do printf '%s\0' "$word"; done"#, "sh"];
    words.extend(WORDS);
    let ran = run_inside(session.as_ref(), &made, &words, b"").await?;
    let came: Vec<String> =
        ran.stdout.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    for (place, word) in WORDS.iter().enumerate() {
        let found = came.get(place).map(String::as_str);
        hold!(found == Some(word), "the word {word:?} came as {found:?}");
    }
    hold!(came.len() == WORDS.len() + 1, "{} words went, and {} came", WORDS.len(), came.len() - 1);
    bench.remove(&made.named, &made.handle).await.map(drop)
}
