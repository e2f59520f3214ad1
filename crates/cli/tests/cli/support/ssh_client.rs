//! A real `ssh`, and what belongs to it, configured by `sandboxer ssh-config`.

use super::house::House;
use super::running::{Outcome, Running};
use std::path::PathBuf;
use std::process::Command;

/// Clients that know the sandboxes of a house.
pub(crate) struct SshClient<'a> {
    house: &'a House,
    config: PathBuf,
}

impl<'a> SshClient<'a> {
    /// Takes in the sandboxes that there are.
    #[track_caller]
    pub(crate) fn new(house: &'a House) -> Self {
        let config = house.write("ssh.conf", house.run(&["ssh-config"]).succeeded().stdout);
        // That of the machine's own must not matter, either.
        house.write("ssh", format!("#!/bin/sh\nexec /usr/bin/ssh -F '{}' \"$@\"\n", config.display()));
        Self { house, config }
    }

    /// `ssh`, `scp` or `sftp`.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.house.program_command(program);
        command.arg("-F").arg(&self.config).args(arguments);
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command("ssh", arguments), None)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.start(arguments).finish()
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        Running::start(self.command("ssh", arguments), Some(input.to_vec())).finish()
    }

    /// Runs `scp` or another program that takes the same options.
    pub(crate) fn run_program(&self, program: &str, arguments: &[&str], input: Option<&[u8]>) -> Outcome {
        Running::start(self.command(program, arguments), input.map(<[u8]>::to_vec)).finish()
    }
}
