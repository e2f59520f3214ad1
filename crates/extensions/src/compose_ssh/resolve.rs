//! From a repository on the machine to the file that runs: found, checked, resolved by the compose tool's own `config`,
//! examined, and made this sandbox's.

use super::document::{joined, parent};
use super::engine::{Engine, Tool};
use super::failure::{explain, garbled, of_status, precondition};
use super::host::{COMPOSE, Host, KEEP, SHORT};
use super::inputs::Plan;
use super::names::Names;
use super::normalise::normalise;
use super::places::{self, Kind};
use super::policy::{self, Mention, Mentioned, Refusal};
use super::references;
use super::run_file::{self, Additions, RunFile};
use super::{allowance::Word, mounting, variables};
use sandboxer_sdk::CommandLine;
use sandboxer_types::source::parse_foreign;
use sandboxer_types::{ErrorKind, Failure, Object};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

type Places = BTreeMap<String, places::Found>;

/// What compose itself looks for, and what it lays over that.
const DEFAULTS: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: [&str; 4] =
    ["compose.override.yaml", "compose.override.yml", "docker-compose.override.yml", "docker-compose.override.yaml"];
/// More files that include one another are refused.
const MOST_FILES: usize = 64;

/// The compose files to begin with, and the folder that their paths begin at.
struct Beginning {
    files: Vec<String>,
    /// What the machine said of them.
    found: Places,
    /// The folder, really, that everything must stay in.
    project: String,
    directory: String,
    /// The repository's own variables.
    variables: Vec<u8>,
}

/// One sandbox whose file is being made.
pub(super) struct Resolving<'a> {
    pub(super) host: &'a Host<'a>,
    pub(super) names: &'a Names,
    pub(super) engine: &'a Engine,
    pub(super) plan: &'a Plan,
}

impl Resolving<'_> {
    /// The file that runs.
    pub(super) async fn run_file(&self, agent: Option<String>) -> Result<RunFile, Failure> {
        let beginning = self.beginning().await?;
        self.check_references(&beginning).await?;
        let mut document = self.config(&beginning).await?;
        let (mut refusals, mentions) = policy::examine(&document);
        let paths: BTreeSet<String> = mentions.iter().map(|mention| mention.path.clone()).collect();
        let found = places::look(self.host, &paths.into_iter().collect::<Vec<_>>(), false).await?;
        refusals.extend(mounting::examine_places(&mentions, &found, &beginning.project));
        policy::judge(refusals, &self.plan.allowance)?;
        mounting::settle(&mut document, &found);
        let labels = self.names.labels(self.host.call);
        run_file::make(document, &Additions { names: self.names, labels, plan: self.plan, agent })
    }

    /// Finds the files to begin with.
    async fn beginning(&self) -> Result<Beginning, Failure> {
        let work = self.names.work();
        let within = |name: &str| joined(&work, name);
        let mut wanted: Vec<String> = match &self.plan.file {
            Some(file) => vec![within(file)],
            None => DEFAULTS.iter().chain(&OVERRIDES).map(|name| within(name)).collect(),
        };
        let directory = parent(&wanted[0]).to_owned();
        let variables = joined(&directory, ".env");
        wanted.extend([variables.clone(), work.clone()]);
        let found = places::look(self.host, &wanted, true).await?;
        let project = found.get(&work).and_then(places::Found::real).map(str::to_owned);
        let project = project.ok_or_else(|| garbled("the project's folder"))?;
        let is_file = |path: &String| found.get(path).is_some_and(|found| found.kind == Kind::File);
        let first = |names: &[&str]| names.iter().map(|name| within(name)).find(|path| is_file(path));
        let files: Vec<String> = match &self.plan.file {
            Some(file) => vec![within(file)].into_iter().filter(|path| is_file(path) && !file.is_empty()).collect(),
            None => first(&DEFAULTS)
                .map(|file| std::iter::once(file).chain(first(&OVERRIDES)).collect())
                .unwrap_or_default(),
        };
        if files.is_empty() {
            let looked = self.plan.file.clone().unwrap_or_else(|| DEFAULTS.join("`, `"));
            let failure = Failure::new(ErrorKind::NotFound, format!("the repository has no compose file: `{looked}`"));
            return Err(failure
                .with_field("inputs.file", "names no file of the repository")
                .with_hint("name the compose file: `file=path/below/the/repository.yaml`"));
        }
        let mention = |path: &String| Mention { at: path.clone(), path: path.clone(), what: Mentioned::Read };
        let mentions: Vec<Mention> = files.iter().chain(std::iter::once(&variables)).map(mention).collect();
        policy::judge(mounting::examine_places(&mentions, &found, &project), &self.plan.allowance)?;
        let own = found.get(&variables).filter(|found| found.kind == Kind::File);
        let variables = own.map(|found| found.contents.clone()).unwrap_or_default();
        Ok(Beginning { files, found, project, directory, variables })
    }

    /// Follows whatever the files have the compose tool read, before it reads it.
    async fn check_references(&self, beginning: &Beginning) -> Result<(), Failure> {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut next: Vec<String> = beginning.files.clone();
        let mut found = beginning.found.clone();
        while !next.is_empty() {
            let mut mentions = Vec::new();
            let mut refusals = Vec::new();
            let mut further = Vec::new();
            for path in &next {
                let Some(file) = found.get(path).filter(|file| file.kind == Kind::File) else { continue };
                let of = references::of(path, &file.contents)?;
                refusals.extend(of.unclear.into_iter().map(|(at, value)| Refusal { at, value, word: Word::Files }));
                further.extend(of.files.iter().map(|mention| mention.path.clone()));
                // The folder of an included file has variables of its own.
                let own = of.files.iter().map(|file| joined(parent(&file.path), ".env"));
                mentions.extend(own.map(|path| Mention { at: "include".to_owned(), path, what: Mentioned::Read }));
                mentions.extend(of.files);
                mentions.extend(of.read);
            }
            let paths: BTreeSet<String> = mentions.iter().map(|mention| mention.path.clone()).collect();
            let places = places::look(self.host, &paths.into_iter().collect::<Vec<_>>(), false).await?;
            refusals.extend(mounting::examine_places(&mentions, &places, &beginning.project));
            policy::judge(refusals, &self.plan.allowance)?;
            seen.extend(next);
            next =
                further.into_iter().collect::<BTreeSet<_>>().into_iter().filter(|path| !seen.contains(path)).collect();
            if seen.len() + next.len() > MOST_FILES {
                return Err(precondition(format!("more than {MOST_FILES} compose files include one another")));
            }
            found = places::look(self.host, &next, true).await?;
        }
        Ok(())
    }

    /// What the compose tool makes of the files.
    async fn config(&self, beginning: &Beginning) -> Result<Object, Failure> {
        let project = self.names.project();
        let variables = self.names.inside("variables");
        let mut words = vec![beginning.directory.as_str(), &variables, "", ""];
        words.extend(self.engine.tool.words());
        words.extend(["-p", &project, "--env-file", &variables]);
        for file in &beginning.files {
            words.extend(["-f", file]);
        }
        words.push("config");
        if self.engine.tool == Tool::Plugin {
            words.extend(["--format", "json"]);
        }
        let kept = variables::file(&beginning.variables, &self.plan.env);
        let settings = self.names.inside("variables.up");
        let without = variables::without_settings(&kept);
        self.host.script(KEEP, &[&settings], without, "keep the variables").await?;
        let command = CommandLine::new(COMPOSE.words(words)).with_stdin(kept);
        let doing = "resolve the compose file";
        let output = self.host.run(&command, SHORT, doing).await?;
        if let Some(failure) = of_status(&output, doing) {
            let failure = if output.status == 1 || output.status == 15 { explain(&output, doing) } else { failure };
            return Err(failure.with_field("inputs.file", "cannot be resolved by the compose tool"));
        }
        let text = String::from_utf8(output.stdout).map_err(|_| garbled("the compose file"))?;
        normalise(parsed(self.engine.tool, &text)?, self.engine.tool, &beginning.directory)
    }
}

fn parsed(tool: Tool, text: &str) -> Result<Value, Failure> {
    match tool {
        Tool::Plugin => serde_json::from_str(text).map_err(|error| garbled("the compose file").caused_by(&error)),
        Tool::Standalone | Tool::Podman => parse_foreign("the resolved compose file", text).map_err(|faults| {
            let told = faults.first().map(ToString::to_string).unwrap_or_default();
            precondition(format!("what the compose tool resolved cannot be read: {told}"))
        }),
    }
}
