//! `sandboxer agent`: the process inside a sandbox, started by hand.

use crate::config::{home, login_environment};
use crate::error::{CommandResult, local_fault};
use crate::ui::Output;
use clap::{ArgGroup, Args};
use sandboxer_agent::{
    Account, AgentError, ENVD_VERSION, End, Folder, Listen, Options, Relay, RelaySocket, Token, Unpack,
};
use sandboxer_reach::AGENT_VARIABLE;
use sandboxer_types::{ErrorKind, Failure, Residue, SandboxMark, TimeSpan};
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A longer token file holds no token.
const LONGEST_TOKEN: usize = 4096;
/// The status of a cleanup that left something.
const LEFT: u8 = 8;
/// Read at once.
const PIECE: usize = 256 * 1024;
/// How long a host's daemon stays that nobody needs.
const DAEMON_PATIENCE: &str = "60s";

/// What `agent` takes.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("way").args(["listen", "stdio", "relay", "envd_version", "end", "unpack"]))]
#[command(group = ArgGroup::new("relayed").args(["relay", "sandbox"]).multiple(true))]
pub(crate) struct AgentArguments {
    /// Listen at a TCP address (HOST:PORT) or a unix socket (unix:PATH)
    #[arg(long, value_name = "ADDR|unix:PATH", value_parser = parse_address)]
    listen: Option<Listen>,
    /// Serve one client on the standard input and output
    #[arg(long)]
    stdio: bool,
    /// Pass the standard input and output on to the agent at this unix socket; start one that stays if none answers
    #[arg(long, value_name = "SOCKET")]
    relay: Option<PathBuf>,
    /// The same at a socket of this sandbox's own, or at that of --relay: the agent and all that it starts have its name in
    /// SANDBOXER_SANDBOX
    #[arg(long, value_name = "MARK", conflicts_with_all = ["listen", "stdio", "envd_version"])]
    sandbox: Option<SandboxMark>,
    /// Print this line before the relayed bytes
    #[arg(long, value_name = "WORD", requires = "relayed")]
    mark: Option<String>,
    /// Serve only clients that show the token in this file
    #[arg(long, value_name = "FILE", conflicts_with = "relayed")]
    token_file: Option<PathBuf>,
    /// Act as this user for requests that name none [default: you]
    #[arg(long, value_name = "USER", conflicts_with = "relayed")]
    user: Option<String>,
    /// Directory of commands that name none [default: the user's home]
    #[arg(long, value_name = "DIR", conflicts_with = "relayed")]
    workdir: Option<PathBuf>,
    /// End after so long without a client, a command and a lease
    #[arg(long, value_name = "DURATION", conflicts_with = "relayed")]
    leave_when_idle: Option<TimeSpan>,
    /// Print which version of E2B's envd it serves the API of
    #[arg(long)]
    envd_version: bool,
    /// End this sandbox here: every process that has its name in SANDBOXER_SANDBOX
    #[arg(long, value_name = "ID", hide = true, conflicts_with = "relayed")]
    end: Option<SandboxMark>,
    /// And remove this folder, with whoever works in it
    #[arg(long, value_name = "DIR", hide = true, requires = "end")]
    remove: Vec<PathBuf>,
    /// And remove this folder, if it bears the label
    #[arg(long, value_name = "DIR", hide = true, requires = "end", requires = "label")]
    remove_labelled: Vec<PathBuf>,
    /// And remove this account, if it bears the label, with whatever runs as it
    #[arg(long, value_name = "NAME", hide = true, requires = "end", requires = "label")]
    account: Option<String>,
    /// The first line of a folder's file `.sandboxer`, and the account's comment
    #[arg(long, value_name = "TEXT", hide = true, requires = "end")]
    label: Option<String>,
    /// Change this folder as the standard input says
    #[arg(long, value_name = "DIR", hide = true, requires = "beside", requires = "parts", conflicts_with = "relayed")]
    unpack: Option<PathBuf>,
    /// Where it may be remembered beside the folder what is in it
    #[arg(long, value_name = "FILE", hide = true, requires = "unpack")]
    beside: Option<PathBuf>,
    /// Which place remembers it, the lengths of five parts of the input, and 1 if an archive follows them
    #[arg(value_name = "NUMBER", hide = true, requires = "unpack", num_args = 7, last = true)]
    parts: Vec<u64>,
    /// Serve the listening unix socket that is the standard input
    #[arg(long, hide = true)]
    inherited: bool,
    /// Become the parent of what commands leave running
    #[arg(long, hide = true)]
    adopt: bool,
}

fn parse_address(text: &str) -> Result<Listen, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.is_empty() { Err("the path is missing".into()) } else { Ok(Listen::Unix(path.into())) };
    }
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let address = numeric.parse::<SocketAddr>();
    address.map(Listen::Tcp).map_err(|_| "write an address as `127.0.0.1:49983`, a socket as `unix:PATH`".into())
}

/// Runs it, until it is ended or its client goes.
pub(crate) fn agent(arguments: AgentArguments, output: &Output) -> CommandResult<ExitCode> {
    if arguments.envd_version {
        return Ok(output.data(&ENVD_VERSION, || ENVD_VERSION.to_owned()));
    }
    if arguments.end.is_some() {
        return Ok(end(arguments, output));
    }
    if let (Some(folder), Some(beside)) = (&arguments.unpack, &arguments.beside)
        && let [chosen, lengths @ .., archive] = arguments.parts.as_slice()
        && let Ok(lengths) = lengths.try_into()
    {
        let (folder, beside) = (folder.clone(), beside.clone());
        return unpack(&Unpack { folder, beside, chosen: *chosen, lengths, archive: *archive == 1 });
    }
    let sandbox = arguments.sandbox.as_ref().map(SandboxMark::to_string);
    let named = sandbox.clone().map(RelaySocket::Named);
    // What was entered already is where the sandbox wants its commands.
    let workdir = if arguments.relay.is_none() { std::env::current_dir().ok() } else { None };
    if let Some(socket) = arguments.relay.clone().map(RelaySocket::At).or(named) {
        let relay =
            Relay { socket, sandbox, mark: arguments.mark, daemon: daemon(arguments.sandbox.is_some(), workdir)? };
        sandboxer_agent::relay(&relay).map_err(|error| failure(&error))?;
        return Ok(ExitCode::SUCCESS);
    }
    let inherited = arguments.inherited;
    let options = options(arguments)?;
    let guarded = options.token.is_some();
    let user = options.default_user.clone();
    let announce = |address: &str| {
        // Whoever listened before knows it, and a log without a word goes with its daemon.
        if inherited {
            return;
        }
        output.note(&format!("listening on {address}"));
        if address.starts_with("unix:") || guarded {
            return;
        }
        output.note(&format!(
            "everyone on this machine can run commands as `{user}` by it; `--token-file` prevents that"
        ));
    };
    sandboxer_agent::run(options, announce).map_err(|error| failure(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// Ends a sandbox, and says as JSON what became of it, also where nobody asked for that: programs read it.
fn end(arguments: AgentArguments, output: &Output) -> ExitCode {
    let label = arguments.label;
    let any = arguments.remove.into_iter().map(|path| Folder { path, label: None });
    let labelled = arguments.remove_labelled.into_iter().map(|path| Folder { path, label: label.clone() });
    let folders = any.chain(labelled).collect();
    let account = arguments.account.zip(label.clone()).map(|(name, comment)| Account { name, comment });
    let sandbox = arguments.end.map(|sandbox| sandbox.to_string()).unwrap_or_default();
    let ended = sandboxer_agent::end(&End { sandbox, folders, account });
    let told = output.data(&ended, || serde_json::json!(ended).to_string());
    if ended.complete() { told } else { ExitCode::from(LEFT) }
}

fn unpack(request: &Unpack) -> CommandResult<ExitCode> {
    let input = BufReader::with_capacity(PIECE, std::io::stdin());
    // What it says is all there is to say.
    sandboxer_agent::unpack(request, input)
        .map_err(|error| Failure::new(ErrorKind::Precondition, error.to_string()).with_residue(Residue::Partial))?;
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: AgentArguments) -> CommandResult<Options> {
    let listen = match arguments.listen {
        Some(listen) => listen,
        None if arguments.stdio => Listen::Stdio,
        None if arguments.inherited => Listen::InheritedFd(0),
        None => {
            return Err(Failure::invalid_input("it was not said where the agent should listen")
                .with_hint("say `--listen 127.0.0.1:49983`, `--listen unix:PATH`, `--stdio` or `--relay SOCKET`")
                .into());
        }
    };
    let token = arguments.token_file.as_deref().map(read_token).transpose()?;
    if let Listen::Tcp(address) = &listen
        && !address.ip().is_loopback()
        && token.is_none()
    {
        let message = format!("`{address}` can be reached from other machines, and no token is asked for");
        return Err(Failure::invalid_input(message)
            .with_hint("give a token by `--token-file`, or listen on 127.0.0.1")
            .into());
    }
    let mut options = Options::new(listen, arguments.user.unwrap_or_else(sandboxer_agent::own_user));
    options.token = token;
    options.workdir = arguments.workdir;
    options.leave_when_idle = arguments.leave_when_idle.map(TimeSpan::as_duration);
    options.default_home = home().ok();
    options.adopts = arguments.adopt;
    if arguments.inherited {
        options.environment = login_environment();
        options.environment.extend(Some((AGENT_VARIABLE.to_owned(), own_path()?)));
    }
    // On a machine of one's own, `sudo` works as ever.
    options.no_new_privileges = false;
    Ok(options)
}

/// The file's first line. Its content shows in no message.
fn read_token(path: &Path) -> CommandResult<Token> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| local_fault(format!("read the token file `{}`", path.display()), &error))?;
    let line = text.lines().next().unwrap_or_default().trim();
    let usable = line.len() <= LONGEST_TOKEN && line.bytes().all(|byte| byte.is_ascii_graphic());
    Token::new(line).filter(|_| usable).ok_or_else(|| {
        Failure::invalid_input(format!("`{}` holds no token", path.display()))
            .with_hint("its first line should be the token: visible ASCII characters, without a space")
            .into()
    })
}

/// Where this program is.
fn own_path() -> CommandResult<String> {
    let program = std::env::current_exe().map_err(|error| local_fault("tell where this program is", &error))?;
    program.into_os_string().into_string().map_err(|program| {
        let message = format!("this program's path `{}` is not UTF-8", Path::new(&program).display());
        Failure::new(ErrorKind::Unsupported, message).with_residue(Residue::None).into()
    })
}

/// How a relay starts the daemon: this very program.
fn daemon(adopts: bool, workdir: Option<PathBuf>) -> CommandResult<Vec<String>> {
    let program = own_path()?;
    let words = ["agent", "--inherited", "--leave-when-idle", DAEMON_PATIENCE];
    let mut words: Vec<String> = std::iter::once(program).chain(words.map(str::to_owned)).collect();
    if adopts {
        words.push("--adopt".to_owned());
    }
    if let Some(workdir) = workdir.as_deref().and_then(Path::to_str) {
        words.extend(["--workdir".to_owned(), workdir.to_owned()]);
    }
    Ok(words)
}

fn failure(error: &AgentError) -> Failure {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    match (error, source) {
        (AgentError::OthersFolder { .. } | AgentError::NotASocket { .. }, _) | (_, None) => {
            Failure::new(ErrorKind::Precondition, error.to_string()).with_residue(Residue::None)
        }
        (_, Some(source)) if source.kind() == std::io::ErrorKind::AddrInUse => {
            Failure::new(ErrorKind::Conflict, error.to_string())
                .with_residue(Residue::None)
                .caused_by(source)
                .with_hint("another program listens there: end it, or choose another address")
        }
        (_, Some(source)) => {
            Failure::new(ErrorKind::Internal, error.to_string()).with_residue(Residue::None).caused_by(source)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(parse_address("localhost:80"), Ok(Listen::Tcp("127.0.0.1:80".parse().unwrap())));
        assert_eq!(parse_address("[::1]:80"), Ok(Listen::Tcp("[::1]:80".parse().unwrap())));
        assert_eq!(parse_address("unix:a.sock"), Ok(Listen::Unix("a.sock".into())));
        for wrong in ["", "unix:", "80", "localhost", "example.org:80", "/a.sock"] {
            assert!(parse_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_one_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let reads = |content: &str| {
            std::fs::write(&path, content).unwrap();
            read_token(&path).is_ok()
        };
        assert!(reads("secret\n") && reads("secret"));
        for wrong in ["", "\n", "two words", "umlaut-\u{fc}", &"x".repeat(5000)] {
            assert!(!reads(wrong), "{wrong}");
        }
    }
}
