//! The model's wire: the SDK's, and before it a filter of lines, in which a mutant may do to them what it likes.

use crate::mutation::Mutation;
use sandboxer_sdk::{SandboxExtension, serve_over};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::unix::pipe;

/// How much is on its way at once, in bytes.
const PIPE: usize = 64 * 1024;
/// How long the longest list is that goes into one answer.
const PAGE: usize = 2;
/// How long a mutant waits for the rest of a line.
const REST: Duration = Duration::from_millis(100);
/// What a `describe` has for params.
const KNOWN: [&str; 5] = ["_meta", "config", "secrets", "labels", "params"];

/// Serves on the standard streams until the input ends.
pub(crate) async fn serve(model: Arc<dyn SandboxExtension>, mutation: Option<Mutation>) -> io::Result<()> {
    let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let output = tokio::sync::Mutex::new(pipe::Sender::from_owned_fd(output)?);
    let wire = Arc::new(Wire { mutation, heard: Mutex::default(), output });
    if wire.is(Mutation::LeavesAChildInItsGroup) {
        Command::new("sleep").arg("600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    }
    let (to_model, from_host) = tokio::io::duplex(PIPE);
    let (to_host, from_model) = tokio::io::duplex(PIPE);
    let hearing = wire.clone().hear(pipe::Receiver::from_owned_fd(input)?, to_model);
    let telling = wire.clone().tell(from_model);
    let serving = serve_over(model, from_host, to_host, std::future::pending());
    let (heard, told, served) = tokio::join!(hearing, telling, serving);
    heard.and(told).and(served)
}

/// What a filter remembers.
#[derive(Default)]
struct Heard {
    /// The methods of the calls in flight, by their ids.
    calls: BTreeMap<String, String>,
    /// How many requests there were.
    requests: usize,
    /// Whether a sandbox was made in this process.
    has_made: bool,
    /// An answer that is kept back.
    kept: Option<Value>,
}

struct Wire {
    mutation: Option<Mutation>,
    heard: Mutex<Heard>,
    output: tokio::sync::Mutex<pipe::Sender>,
}

impl Wire {
    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// From the host to the model.
    async fn hear(self: Arc<Self>, mut input: pipe::Receiver, mut to_model: DuplexStream) -> io::Result<()> {
        let (mut buffer, mut piece) = (Vec::new(), vec![0; PIPE]);
        loop {
            let length = match self.is(Mutation::GivesUpOnLinesInPieces) && !buffer.is_empty() {
                true => match tokio::time::timeout(REST, input.read(&mut piece)).await {
                    Ok(length) => length?,
                    Err(_) => {
                        buffer.push(b'\n');
                        0
                    }
                },
                false => match input.read(&mut piece).await? {
                    0 => return Ok(()),
                    length => length,
                },
            };
            buffer.extend_from_slice(&piece[..length]);
            while let Some(end) = self.end_of_line(&buffer) {
                let line: Vec<u8> = buffer.drain(..end).collect();
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                if let Some(line) = self.heard(line).await? {
                    to_model.write_all(&[&line[..], b"\n"].concat()).await?;
                }
            }
        }
    }

    fn end_of_line(&self, buffer: &[u8]) -> Option<usize> {
        let end = buffer.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        match self.is(Mutation::ReadsLinesOf64KiB) {
            true => end.filter(|end| *end <= PIPE).or((buffer.len() >= PIPE).then_some(PIPE)),
            false => end,
        }
    }

    /// A line of the host's, as the model hears it; `None` when it was answered here.
    async fn heard(&self, line: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Ok(mut message) = serde_json::from_slice::<Value>(line) else {
            if self.is(Mutation::EndsAtBadJson) {
                std::process::exit(3);
            }
            return Ok(Some(line.to_vec()));
        };
        let (Some(id), Some(method)) = (message["id"].as_str(), message["method"].as_str()) else {
            return Ok(Some(line.to_vec()));
        };
        let (id, method) = (id.to_owned(), method.to_owned());
        let refusal = {
            let mut heard = self.heard.lock().unwrap();
            heard.requests += 1;
            heard.calls.insert(id.clone(), method.clone());
            self.refusal(&heard, &message, &method)
        };
        if let Some(error) = refusal {
            self.write(json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()).await?;
            return Ok(None);
        }
        if self.is(Mutation::SpeaksEveryProtocol) {
            message["params"]["_meta"]["protocol"] = json!(1);
            return Ok(Some(message.to_string().into_bytes()));
        }
        Ok(Some(line.to_vec()))
    }

    /// What a mutant refuses before the model hears it.
    fn refusal(&self, heard: &Heard, message: &Value, method: &str) -> Option<Value> {
        let rpc = |code: i64, message: String| Some(json!({"code": code, "message": message}));
        if self.is(Mutation::WantsToBeDescribedFirst) && heard.requests == 1 && method != "describe" {
            return rpc(-32600, "nobody has asked me to describe myself".to_owned());
        }
        if self.is(Mutation::RefusesUnknownMethodsAsWrongParams) && method.starts_with("no_") {
            return rpc(-32602, "these params do not fit".to_owned());
        }
        let members = message["params"].as_object().into_iter().flatten();
        let unknown =
            members.map(|(name, _)| name).find(|name| method == "describe" && !KNOWN.contains(&name.as_str()));
        if let Some(name) = unknown.filter(|_| self.is(Mutation::ChokesOnUnknownMembers)) {
            return rpc(-32602, format!("there is no member `{name}`"));
        }
        if self.is(Mutation::ServesOneMakingOnly) && heard.has_made {
            let data = json!({"kind": "internal", "residue": "unknown"});
            return Some(json!({"code": -32000, "message": "this process is used up", "data": data}));
        }
        None
    }

    /// From the model to the host.
    async fn tell(self: Arc<Self>, from_model: DuplexStream) -> io::Result<()> {
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(from_model));
        while let Some(line) = lines.next_line().await? {
            for line in self.told(line) {
                self.write(line).await?;
            }
        }
        Ok(())
    }

    /// The lines that the host hears for one of the model's.
    fn told(&self, line: String) -> Vec<String> {
        let message: Value = serde_json::from_str(&line).unwrap();
        let Some(id) = message["id"].as_str().map(str::to_owned) else { return vec![line] };
        let mut heard = self.heard.lock().unwrap();
        let method = heard.calls.remove(&id).unwrap_or_default();
        heard.has_made |= method == "provision";
        if self.is(Mutation::MixesUpCallsAtOnce) && method == "provision" {
            return mixed_up(&mut heard, message);
        }
        drop(heard);
        let mut line = self.changed(message, &method).to_string();
        if self.is(Mutation::WritesAsciiOnly) {
            line = line.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect();
        }
        match self.is(Mutation::PrintsToStandardOutput) {
            true => vec!["now I know".to_owned(), line],
            false => vec![line],
        }
    }

    fn changed(&self, mut message: Value, method: &str) -> Value {
        let result = &mut message["result"];
        if self.is(Mutation::DescribesItselfAnew) && method == "describe" {
            result["version"] = json!(format!("{}", std::process::id()));
        }
        if self.is(Mutation::PricesAreBinaryNumbers) && method == "prices" {
            let rows = result["prices"].as_array_mut().into_iter().flatten();
            rows.for_each(|row| row["amount"] = json!(0.1 + 0.2));
        }
        if let (Some(kind), true) = (kind_of_list(method), result.is_object()) {
            page(result, kind);
            if self.is(Mutation::ForgetsTheSecondPage) {
                result["next"].take();
            }
        }
        if result.is_null() {
            message.as_object_mut().unwrap().remove("result");
        }
        message
    }

    async fn write(&self, line: String) -> io::Result<()> {
        self.output.lock().await.write_all(format!("{line}\n").as_bytes()).await
    }
}

/// Keeps an answer back while another call is in flight, and gives each the answer of the other.
fn mixed_up(heard: &mut Heard, mut message: Value) -> Vec<String> {
    match heard.kept.take() {
        Some(mut kept) => {
            let id = kept["id"].take();
            kept["id"] = std::mem::replace(&mut message["id"], id);
            vec![kept.to_string(), message.to_string()]
        }
        None if heard.calls.is_empty() => vec![message.to_string()],
        None => {
            heard.kept = Some(message);
            Vec::new()
        }
    }
}

/// Where an answer has its list, and what its entries are called by.
fn kind_of_list(method: &str) -> Option<(&'static str, &'static str)> {
    match method {
        "list" => Some(("sandboxes", "sandbox_id")),
        "list_snapshots" => Some(("snapshots", "snapshot_id")),
        _ => None,
    }
}

/// A short page, and where the next one begins.
fn page(result: &mut Value, (list, name): (&str, &str)) {
    let entries = result[list].as_array_mut().unwrap();
    if entries.len() > PAGE {
        entries.truncate(PAGE);
        let last = entries[PAGE - 1][name].clone();
        result["next"] = last;
    }
}
