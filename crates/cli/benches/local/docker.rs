//! A docker engine of our own, for as long as it is measured: its own socket, its own store, an image of nothing but
//! busybox. So nothing is pulled, and nothing of another engine is touched.

use crate::peers::run;
use crate::sample::{Sample, Table};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Each of its rounds takes a tenth of a second.
const ROUNDS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures both, or says why not.
pub(crate) fn measure(table: &mut Table) {
    const ROWS: [&str; 2] = ["docker run, no network", "docker exec of `true`"];
    match Engine::start() {
        Ok(engine) => {
            let run = engine.command(&["run", "--rm", "--network=none", "bench", "/true"]);
            let exec = engine.command(&["exec", "bench", "/true"]);
            for (row, argv) in ROWS.iter().zip([run, exec]) {
                let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
                table.times(row, &Sample::of(ROUNDS, || assert!(self::run(&argv), "{row} failed")), "-");
            }
        }
        Err(reason) => ROWS.iter().for_each(|row| table.figures(row, &format!("does not run here: {reason}"), "-")),
    }
}

/// Ends when dropped, with its containers.
struct Engine {
    daemon: Child,
    folder: TempDir,
}

impl Engine {
    /// With one container that stays.
    fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let daemon = Command::new("dockerd")
            .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
            .args(["--host", &format!("unix://{}", at("socket")), "--iptables=false", "--bridge=none"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(at("log")).unwrap())
            .spawn()
            .map_err(|error| format!("dockerd: {error}"))?;
        let mut engine = Self { daemon, folder };
        engine.answers()?;
        engine.fill()?;
        Ok(engine)
    }

    fn command(&self, words: &[&str]) -> Vec<String> {
        let host = format!("unix://{}", self.folder.path().join("socket").display());
        ["docker", "--host", &host].iter().chain(words).map(|word| (*word).to_owned()).collect()
    }

    fn works(&self, words: &[&str]) -> bool {
        run(&self.command(words).iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn answers(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        while !self.works(&["version"]) {
            if self.daemon.try_wait().unwrap().is_some() || begin.elapsed() > PATIENCE {
                return Err(format!("dockerd: {}", self.last_words()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn fill(&self) -> Result<(), String> {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let (image, tar) = (at("image"), at("image.tar"));
        std::fs::create_dir(&image).unwrap();
        for applet in ["true", "sleep"] {
            std::fs::copy("/bin/busybox", format!("{image}/{applet}"))
                .map_err(|error| format!("/bin/busybox: {error}"))?;
        }
        let made = run(&["tar", "-C", &image, "-cf", &tar, "."])
            && self.works(&["import", &tar, "bench"])
            && self.works(&["run", "--detach", "--network=none", "--name=bench", "bench", "/sleep", "100000"]);
        if made { Ok(()) } else { Err(self.last_words()) }
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().last().unwrap_or("it said nothing").to_owned()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.works(&["rm", "--force", "bench"]);
        run(&["kill", &self.daemon.id().to_string()]);
        self.daemon.wait().unwrap();
        // Its store was mounted while it lived.
        run(&["umount", "--recursive", "--quiet", &self.folder.path().join("data").display().to_string()]);
    }
}
