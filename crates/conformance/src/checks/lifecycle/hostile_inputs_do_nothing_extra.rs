use crate::asking::read_if_answered;
use crate::bench::Bench;
use crate::check::{Stop, Verdict, check, hold};
use crate::checks::wire::wrong_inputs_are_named::schema;
use crate::fault::{Fault, When};
use sandboxer_reach::Route;
use sandboxer_sdk::wire::AskProvision;
use sandboxer_types::Residue;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

check!(
    L2,
    "hostile-inputs-do-nothing-extra",
    rule: "An input is a value, and never a command, an option or a way out of a folder",
    does: "puts shell syntax, options of ssh and climbing paths into each input that is a text, each of which would write a file if it were taken for more; refusing is as good as taking it as it is",
    proves: "what an agent asks for cannot become what the host does"
);

/// What would write the file `{file}` if it were more than a text: to a shell in any quotes or none, to ssh, and to whoever
/// makes a path of it.
const HOSTILE: [&str; 5] = [
    "x; touch {file} | touch {file} & $(touch {file}) `touch {file}` #",
    "x' ; touch {file} ; ' \" ; touch {file} ; \" $(touch {file})",
    "x\ntouch {file}\n",
    "-oProxyCommand=touch {file}",
    "../../../../../../../../{file}",
];
/// A text that is taken may lead to a long wait.
const PATIENCE: Duration = Duration::from_secs(60);

async fn run(bench: &Bench) -> Verdict {
    let schema = schema(bench).await?;
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let is_text = |property: &Value| property["type"] == "string" && property.get("enum").is_none();
    let names: Vec<String> =
        properties.iter().filter(|(_, property)| is_text(property)).map(|(name, _)| name.clone()).collect();
    if names.is_empty() {
        return Err(Stop::skipped("no input of its schema is a text"));
    }
    let folder = tempfile::tempdir().map_err(|error| Stop::failed(format!("no temporary folder: {error}")))?;
    for name in &names {
        for text in HOSTILE {
            let file = folder.path().join(bench.word());
            let text = text.replace("{file}", &file.to_string_lossy());
            try_input(bench, name, &text).await?;
            must_not_exist(bench, &file, name, &text).await?;
        }
    }
    Ok(())
}

async fn try_input(bench: &Bench, name: &str, text: &str) -> Verdict {
    let mut inputs = bench.subject().inputs(&bench.subject().plan.inputs);
    inputs.insert(name.to_owned(), json!(text));
    let named = bench.name_with(inputs)?;
    let mut peer = bench.peer()?;
    let fault = Fault::cancel(When::After(PATIENCE));
    let conversation = bench.converse(&mut peer, &named, &bench.provision_of(&named), Some(fault)).await?;
    peer.kill().await?;
    if let Some(Err(failure)) = read_if_answered::<AskProvision>(conversation)?
        && failure.residue == Residue::None
    {
        return bench.forget(&named, &failure).await;
    }
    bench.remove(&named, &named.minimal_handle()).await.map(drop)
}

async fn must_not_exist(bench: &Bench, file: &Path, name: &str, text: &str) -> Verdict {
    hold!(!file.exists(), "`{name}: {text:?}` was more than a text: it wrote a file on this machine");
    let Some(ssh) = bench.subject().ssh.clone() else { return Ok(()) };
    let Ok(machine) = bench.subject().doors.visit(&Route::to(Some(ssh))).await else { return Ok(()) };
    let there: PathBuf = file.to_owned();
    let found = machine.session.stat(&there, None).await.is_ok();
    hold!(!found, "`{name}: {text:?}` was more than a text: it wrote a file on {}", bench.subject().host());
    Ok(())
}
