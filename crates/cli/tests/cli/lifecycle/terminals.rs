//! Shells and commands on a terminal.
//!
//! What is typed comes back as an echo, so every text that is waited for is typed in another form: `me''ow`.

use crate::support::{House, Sandbox, Terminal, Who};

fn shell<'a>(house: &'a House) -> (Sandbox<'a>, Terminal) {
    let sandbox = Sandbox::create(house, "local");
    let mut terminal = Terminal::start(house, &["shell", &sandbox.id], 33, 101);
    terminal.types("echo rea''dy\n");
    terminal.shows("ready\r\n");
    (sandbox, terminal)
}

pub(crate) fn a_shell_echoes_and_ends_with_the_status_it_is_told(who: Who) {
    let house = House::new(who);
    let (sandbox, mut terminal) = shell(&house);
    assert!(terminal.screen().contains("echo rea''dy"), "no echo: {}", terminal.screen());
    terminal.types("test -t 0 && test -t 1 && test -t 2 && echo all are term''inals: $TERM\n");
    terminal.shows("all are terminals: xterm");
    terminal.types("exit 7\n");
    terminal.ends_with(7);
    sandbox.remove();
}

pub(crate) fn ctrl_c_ends_the_command_inside_and_not_the_shell(who: Who) {
    let house = House::new(who);
    let (sandbox, mut terminal) = shell(&house);
    terminal.types("sh -c 'echo sta\"\"rted; exec sleep 1000'\n");
    terminal.shows("started\r\n");
    terminal.types("\u{3}");
    terminal.shows("^C");
    terminal.types("echo sta''tus $?\n");
    terminal.shows("status 130");
    terminal.types("\u{4}");
    terminal.ends_with(0);
    let commands = sandbox.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").succeeded().text();
    assert!(!commands.contains("sleep 1000"), "{commands}");
    sandbox.remove();
}

pub(crate) fn a_new_size_arrives_inside(who: Who) {
    let house = House::new(who);
    let (sandbox, mut terminal) = shell(&house);
    terminal.types("stty size\n");
    terminal.shows("33 101\r\n");
    terminal.resize(44, 122);
    // It takes its way through two processes.
    terminal.types("until stty size | grep '44 122'; do sleep 0.01; done; echo resi''zed\n");
    terminal.shows("resized\r\n");
    terminal.types("exit\n");
    terminal.ends_with(0);
    sandbox.remove();
}

pub(crate) fn a_command_on_a_terminal_passes_its_status(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    let typed = ["exec", "-it", &sandbox.id, "--", "sh", "-c", "stty size; read line; echo got $line; exit 9"];
    let mut terminal = Terminal::start(&house, &typed, 10, 40);
    terminal.shows("10 40\r\n");
    terminal.types("a line\n");
    terminal.shows("got a line\r\n");
    terminal.ends_with(9);
    let terminal = Terminal::start(&house, &["exec", "-t", &sandbox.id, "--", "sh", "-c", "stty size"], 12, 50);
    terminal.shows("12 50\r");
    terminal.ends_with(0);
    sandbox.remove();
}

pub(crate) fn a_terminal_that_goes_away_ends_the_shell(who: Who) {
    let house = House::new(who);
    let (sandbox, mut terminal) = shell(&house);
    terminal.types("echo $$ > /tmp/shell\n");
    terminal.types("echo wri''tten\n");
    terminal.shows("written\r\n");
    terminal.hangs_up();
    let outcome =
        sandbox.sh("for i in 1 2 3 4 5 6 7 8 9; do kill -0 $(cat /tmp/shell) || exit 0; sleep 1; done; exit 1");
    outcome.succeeded();
    sandbox.remove();
}
