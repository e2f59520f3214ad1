//! The arguments of `ssh`, and nothing else: from settings to lists of words.

use std::ffi::OsString;
use std::path::Path;

use super::SshSettings;
use super::files::Files;
use super::words::{self, ALONE, MASTER, NOWHERE, PLAIN, SHELL, UNATTENDED, list};
use sandboxer_types::SshDestination;

/// Of every connection: a key that is new is noted, one that changed is refused, and what went wrong is said.
const CONNECTION: [&str; 2] = ["-oStrictHostKeyChecking=accept-new", "-oLogLevel=INFO"];

/// A connection that stays in the background once it is logged in, and that others go through.
pub(super) fn master(settings: &SshSettings, destination: &SshDestination, files: &Files) -> Vec<OsString> {
    let mut words = list(&MASTER);
    words.extend(["-S".into(), files.control().into(), "-E".into(), files.log().into()]);
    words.push(format!("-oControlPersist={}", settings.linger.as_secs().max(1)).into());
    words.push("-oStreamLocalBindUnlink=yes".into());
    words.extend(connection(settings, destination, files));
    words.extend(words::destination(destination));
    words
}

/// A connection of its own for one session.
pub(super) fn alone(settings: &SshSettings, destination: &SshDestination, files: &Files) -> Vec<OsString> {
    let mut words = list(&["-T"]);
    words.extend(list(&ALONE));
    words.extend(connection(settings, destination, files));
    words.extend(words::destination(destination));
    words.push(SHELL.into());
    words
}

/// A session through the master.
pub(super) fn session(files: &Files) -> Vec<OsString> {
    let mut words = words::through(&files.control());
    words.extend(list(&["-T", "--", NOWHERE, SHELL]));
    words
}

/// A word to the master itself.
pub(super) fn control(files: &Files, word: &str) -> Vec<OsString> {
    let mut words = words::through(&files.control());
    words.extend(list(&["-O", word, "--", NOWHERE]));
    words
}

/// Asks the master to listen at `local`, and to pass on who comes to the socket `remote` of the machine. Neither path may
/// contain what [`Files`] refuses.
pub(super) fn forward(files: &Files, local: &Path, remote: &str) -> Vec<OsString> {
    let mut words = words::through(&files.control());
    words.extend(list(&["-O", "forward", "-L"]));
    let mut pair = local.as_os_str().to_owned();
    pair.push(":");
    pair.push(remote);
    words.push(pair);
    words.extend(list(&["--", NOWHERE]));
    words
}

fn connection(settings: &SshSettings, destination: &SshDestination, files: &Files) -> Vec<OsString> {
    let mut words = words::configuration(settings.config.as_deref());
    if let Some(identity) = &settings.identity {
        words.extend(["-oIdentitiesOnly=yes".into(), "-i".into(), identity.into()]);
    }
    words.extend(list(&[&PLAIN[..], &UNATTENDED, &CONNECTION].concat()));
    words.push(format!("-oConnectTimeout={}", settings.connect_timeout.as_secs().max(1)).into());
    // The first of them is written to. The folder has no character that would end the quotes.
    let mut known = OsString::from("-oUserKnownHostsFile=\"");
    known.push(files.known_hosts());
    known.push("\" ~/.ssh/known_hosts");
    words.push(known);
    if let (Some(jump), Some(control)) = (&settings.jump, files.jump()) {
        words.extend(through_jump(settings, destination, jump, control));
    }
    words
}

/// By a connection that stands already, so that the jump is made as the user's configuration has it, and once. What a shell
/// reads of this has no quotes in it ([`Files`]). Loopback is another machine's at each jump: its key has a name of its own.
fn through_jump(
    settings: &SshSettings,
    destination: &SshDestination,
    jump: &SshDestination,
    control: &Path,
) -> [OsString; 2] {
    let mut proxy = OsString::from("-oProxyCommand='");
    proxy.push(&settings.program);
    proxy.push("' -F none -S '");
    proxy.push(control);
    proxy.push(format!("' -oBatchMode=yes -oProxyCommand=false -W '[%h]:%p' {NOWHERE}"));
    let port = destination.port().map_or_else(String::new, |port| format!(".{port}"));
    let jump_port = jump.port().map_or_else(String::new, |port| format!(".{port}"));
    let name = format!("{}{port}.through.{}{jump_port}", destination.host(), jump.host());
    [proxy, format!("-oHostKeyAlias={}", name.replace([':', '%'], ".")).into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> (SshSettings, SshDestination, Files) {
        let mut settings = SshSettings::new("/state/s h");
        settings.config = Some("/c".into());
        settings.identity = Some("/i".into());
        let destination = "me@[::1]:2222".parse().unwrap();
        let files = Files::of(&settings, &destination).unwrap();
        (settings, destination, files)
    }

    fn text(words: &[OsString]) -> String {
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn a_master_cannot_be_talked_into_anything_by_a_configuration() {
        let (settings, destination, files) = given();
        let said = text(&master(&settings, &destination, &files));
        let name = files.control().file_name().unwrap().to_str().unwrap().to_owned();
        let begins = format!(
            "-M|-N|-f|-T|-oStreamLocalBindMask=0177|-S|/state/s h/{name}|-E|/state/s h/{name}.log|-oControlPersist=600|"
        );
        assert!(said.starts_with(&begins), "{said}");
        for option in [&PLAIN[..], &UNATTENDED, &CONNECTION].concat() {
            assert!(said.contains(&format!("|{option}|")), "{option}");
        }
        assert!(said.contains("|-F|/c|-oIdentitiesOnly=yes|-i|/i|"), "{said}");
        let ends = "|-oUserKnownHostsFile=\"/state/s h/known_hosts\" ~/.ssh/known_hosts|-l|me|-p|2222|--|::1";
        assert!(said.ends_with(ends), "{said}");
    }

    #[test]
    fn a_jump_is_made_by_its_own_master() {
        let (mut settings, destination, _) = given();
        settings.jump = Some("build-1:22".parse().unwrap());
        let files = Files::of(&settings, &destination).unwrap();
        let said = text(&master(&settings, &destination, &files));
        let control = files.jump().unwrap().display();
        let proxy = format!(
            "|-oProxyCommand='ssh' -F none -S '{control}' -oBatchMode=yes -oProxyCommand=false -W '[%h]:%p' mux.invalid|"
        );
        assert!(said.contains(&proxy), "{said}");
        assert!(said.contains("|-oHostKeyAlias=..1.2222.through.build-1.22|"), "{said}");
        let of_the_jump = Files::of(&SshSettings { jump: None, ..settings }, &"build-1:22".parse().unwrap()).unwrap();
        assert_eq!(files.jump().unwrap(), of_the_jump.control());
    }

    #[test]
    fn what_goes_through_a_master_goes_nowhere_else() {
        let (_, _, files) = given();
        let begins = format!("-F|none|-S|{}|-oBatchMode=yes|-oProxyCommand=false|", files.control().display());
        let local = Path::new("/state/l");
        for (words, ends) in [
            (session(&files), "-T|--|mux.invalid|exec /bin/sh"),
            (control(&files, "check"), "-O|check|--|mux.invalid"),
            (forward(&files, local, "/r/a.sock"), "-O|forward|-L|/state/l:/r/a.sock|--|mux.invalid"),
        ] {
            assert_eq!(text(&words), format!("{begins}{ends}"));
        }
    }

    #[test]
    fn a_connection_of_its_own_uses_no_master() {
        let (settings, destination, files) = given();
        let said = text(&alone(&settings, &destination, &files));
        assert!(said.starts_with("-T|-oControlMaster=no|-oControlPath=none|-F|/c|"), "{said}");
        assert!(said.ends_with("|--|::1|exec /bin/sh"), "{said}");
        assert!(!said.contains("-M"), "{said}");
    }
}
