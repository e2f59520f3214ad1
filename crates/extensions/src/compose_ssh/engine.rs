//! The compose tool and the engine of a machine.

use super::failure::{ENGINE_HINT, garbled, precondition};
use super::host::{Host, LOOK};
use super::names::Names;
use sandboxer_types::{ErrorKind, Failure, Residue};
use serde_json::{Value, json};

/// A compose tool, the preferred first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    /// `docker compose`.
    Plugin,
    /// `docker-compose`, of whichever major version.
    Standalone,
    /// `podman-compose`.
    Podman,
}

impl Tool {
    fn read(word: &str) -> Option<Self> {
        match word {
            "plugin" => Some(Self::Plugin),
            "standalone" => Some(Self::Standalone),
            "podman" => Some(Self::Podman),
            _ => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Standalone => "standalone",
            Self::Podman => "podman",
        }
    }

    /// The words before the tool's own.
    pub(super) const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Plugin => &["docker", "compose"],
            Self::Standalone => &["docker-compose"],
            Self::Podman => &["podman-compose"],
        }
    }
}

/// What makes containers on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Engine {
    pub(super) tool: Tool,
    /// The tool's version, as it tells it.
    pub(super) version: String,
    /// `DOCKER_HOST`, where the login there has it.
    pub(super) docker_host: String,
}

impl Engine {
    /// The engine's own program.
    pub(super) const fn program(&self) -> &'static str {
        match self.tool {
            Tool::Plugin | Tool::Standalone => "docker",
            Tool::Podman => "podman",
        }
    }

    /// Words of the engine's program for somebody who may not have the login's surroundings.
    pub(super) fn command(&self, words: &[&str]) -> Vec<String> {
        let surroundings = match self.docker_host.as_str() {
            "" => Vec::new(),
            socket => vec!["env".to_owned(), format!("DOCKER_HOST={socket}")],
        };
        let program = [self.program()];
        surroundings.into_iter().chain(program.iter().chain(words).map(|word| (*word).to_owned())).collect()
    }

    pub(super) fn to_value(&self) -> Value {
        json!({"tool": self.tool.word(), "version": self.version, "docker_host": self.docker_host})
    }

    /// What [`Self::to_value`] wrote.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        Some(Self {
            tool: Tool::read(text("tool")?)?,
            version: text("version")?.to_owned(),
            docker_host: text("docker_host")?.to_owned(),
        })
    }
}

/// What a look at a machine found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) home: String,
    docker_host: String,
    engine: Option<(Tool, String)>,
    /// Engines whose programs are there.
    programs: Vec<String>,
    /// Why the tools that are there cannot be used.
    obstacles: Vec<(Obstacle, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    Down,
    Lacks,
}

impl Found {
    /// Looks at the machine.
    pub(super) async fn on(host: &Host<'_>) -> Result<Self, Failure> {
        let text = host.text(LOOK, &[], "ask which container engine the machine has").await;
        Self::read(&text.map_err(|failure| failure.with_residue(Residue::None))?)
    }

    fn read(text: &str) -> Result<Self, Failure> {
        let mut found = Self::default();
        let mut has_home = false;
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "home" if !has_home => {
                    rest.clone_into(&mut found.home);
                    has_home = true;
                }
                "docker_host" => rest.clone_into(&mut found.docker_host),
                "has" => found.programs.push(rest.to_owned()),
                "down" => found.obstacles.push((Obstacle::Down, rest.to_owned())),
                "lacks" => found.obstacles.push((Obstacle::Lacks, rest.to_owned())),
                "engine" => {}
                // Anything else is what a login's shell says by itself.
                tool => found.engine = Tool::read(tool).map(|tool| (tool, rest.to_owned())).or(found.engine),
            }
        }
        if has_home { Ok(found) } else { Err(garbled("its engine")) }
    }

    /// The engine to use, which answers.
    pub(super) fn engine(&self) -> Result<Engine, Failure> {
        if let Some((tool, version)) = &self.engine {
            let (version, docker_host) = (version.clone(), self.docker_host.clone());
            return Ok(Engine { tool: *tool, version, docker_host });
        }
        let told = |kind| self.obstacles.iter().find(|(obstacle, _)| *obstacle == kind).map(|(_, told)| told.as_str());
        let failure = match (told(Obstacle::Down), told(Obstacle::Lacks)) {
            (Some(told), _) => {
                Failure::new(ErrorKind::Unavailable, format!("the machine's container engine does not answer: {told}"))
                    .with_hint(ENGINE_HINT)
            }
            (None, Some(told)) => precondition(format!("the machine has no compose tool: {told}"))
                .with_hint("install compose there: the plugin `docker compose`, `docker-compose` or `podman-compose`"),
            (None, None) => precondition("the machine has neither docker nor podman")
                .with_hint("install docker with its compose plugin there, or podman with podman-compose"),
        };
        Err(failure.with_residue(Residue::None))
    }

    /// Every engine that may have something of a sandbox of which nothing else is known.
    pub(super) fn engines(&self) -> Vec<Engine> {
        let of = |program: &String| {
            let tool = match program.as_str() {
                "docker" => Tool::Plugin,
                "podman" => Tool::Podman,
                _ => return None,
            };
            Some(Engine { tool, version: String::new(), docker_host: self.docker_host.clone() })
        };
        self.programs.iter().filter_map(of).collect()
    }

    /// The names of the call's sandbox there.
    pub(super) fn names(&self, host: &Host<'_>) -> Result<Names, Failure> {
        Names::of(host.call, &self.home).map_err(|failure| failure.with_residue(Residue::None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tool_whose_engine_answers_is_used() {
        let text = "welcome!\nhome /root\ndocker_host unix:///x\nhas docker\nplugin 2.40.3\nengine 20.10\n";
        let engine = Found::read(text).expect("readable").engine().expect("answers");
        assert_eq!((engine.tool, engine.version.as_str()), (Tool::Plugin, "2.40.3"));
        assert_eq!(engine.command(&["ps"]), ["env", "DOCKER_HOST=unix:///x", "docker", "ps"]);
        assert_eq!(Engine::from_value(&engine.to_value()), Some(engine));
    }

    #[test]
    fn an_engine_that_is_down_is_not_one_that_lacks() {
        let down = "home /root\ndocker_host \nhas docker\ndown Cannot connect\n";
        let found = Found::read(down).expect("readable");
        assert_eq!(found.engine().expect_err("down").kind, ErrorKind::Unavailable);
        assert_eq!(found.engines().len(), 1);
        let lacks = "home /root\nhas docker\nlacks docker is there, and has no compose\n";
        assert_eq!(Found::read(lacks).expect("readable").engine().expect_err("lacks").kind, ErrorKind::Precondition);
        assert_eq!(Found::read("home /root\n").expect("ok").engine().expect_err("none").kind, ErrorKind::Precondition);
        Found::read("").expect_err("nothing was said");
    }
}
