use super::must_answer;
use crate::bench::Bench;
use crate::check::{Stop, Verdict, check, hold};
use sandboxer_sdk::wire::AskList;
use sandboxer_types::Verb;
use std::collections::BTreeSet;

check!(
    L4,
    "list-is-whole",
    rule: "`list` has everything of its owner once, with its labels, page by page, and changes nothing",
    does: "lists before, while three sandboxes are there, and after; follows every page, and looks for each once, with its host and both labels",
    proves: "what a host has no record of is found, so that it can be removed"
);

const MOST_PAGES: usize = 1000;

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::List)?;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(bench.make().await?);
    }
    let listed = list(bench).await?;
    let ids: BTreeSet<&String> = listed.iter().collect();
    hold!(ids.len() == listed.len(), "`list` has something twice: {}", listed.join(", "));
    for made in &made {
        hold!(listed.contains(&made.named.sandbox_id.to_string()), "`list` lacks {}", made.named.sandbox_id);
    }
    hold!(listed.len() == made.len(), "`list` has {} entries; {} were made", listed.len(), made.len());
    for made in &made {
        bench.remove(&made.named, &made.handle).await?;
    }
    let left = list(bench).await?;
    hold!(left.is_empty(), "once everything was removed `list` has {}", left.join(", "));
    Ok(())
}

async fn list(bench: &Bench) -> Result<Vec<String>, Stop> {
    let named = bench.nobody();
    let mut found = Vec::new();
    let mut page = None;
    for _ in 0..MOST_PAGES {
        let ask = AskList { host: named.host.clone(), owner: named.owner.clone(), page };
        let answer = must_answer(bench, &named, &ask).await?;
        for listed in answer.sandboxes {
            let id = &listed.sandbox_id;
            hold!(listed.host == named.host, "`list` says that {id} is on {}, not on {}", listed.host, named.host);
            for (key, value) in [("sandboxer.id", id.as_str()), ("sandboxer.owner", named.owner.as_str())] {
                hold!(listed.labels.get(key).is_some_and(|label| label == value), "{id} is listed without `{key}`");
            }
            found.push(id.to_string());
        }
        page = answer.next;
        if page.is_none() {
            return Ok(found);
        }
    }
    Err(Stop::failed(format!("`list` has more than {MOST_PAGES} pages")))
}
