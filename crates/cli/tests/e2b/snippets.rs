//! The programs that docs/e2b.md shows, done: what a ```` ```python ```` or ```` ```js ```` block prints stands in the
//! ```` ```text ```` block that follows it.

use crate::page;
use crate::sdk::{JS_2_51_0, PYTHON_2_63_0, Sdk};
use crate::world::{Mode, World};

/// The programs of a language in a page, and what each prints.
fn programs(page: &str, language: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let text: String =
                lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            blocks.push((kind, text));
        }
    }
    let pairs = blocks.windows(2).filter(|pair| pair[0].0 == language);
    pairs
        .map(|pair| if pair[1].0 == "text" { (pair[0].1.clone(), pair[1].1.clone()) } else { panic!("no output") })
        .collect()
}

fn done(sdk: &Sdk, language: &str) {
    let programs = programs(&page::text(), language);
    assert!(!programs.is_empty(), "the page shows none");
    for (program, printed) in programs {
        let world = World::new(Mode::Debug);
        let outcome = world.run(sdk.snippet(&world, &program));
        assert_eq!(outcome.text(), printed, "{}{}", outcome.stderr, world.agent_said());
    }
}

#[test]
fn what_the_page_shows_of_python() {
    done(&PYTHON_2_63_0, "python");
}

#[test]
fn what_the_page_shows_of_javascript() {
    done(&JS_2_51_0, "js");
}

#[test]
fn programs_are_found_with_their_output() {
    let page = "```sh\nls\n```\nwords\n```python\nprint(1)\n```\n```text\n1\n```\n";
    assert_eq!(programs(page, "python"), [("print(1)\n".to_owned(), "1\n".to_owned())]);
    assert_eq!(programs(page, "js"), []);
}
