//! What a person sees of commands that outlive whoever started them, and of what listens inside.

use crate::support::{House, Sandbox, Transcript, Who, words};

#[test]
fn commands_that_go_on() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["create", "local", "--name", "box"]).succeeded();
    transcript.run(&["ps", "box"]).succeeded();
    let script = "echo one; echo two >&2; read word; echo $word";
    transcript.run(&["exec", "-d", "-i", "--tag", "reader", "box", "--", "sh", "-c", script]).succeeded();
    transcript.run(&["exec", "-d", "--tag", "ended", "box", "--", "sh", "-c", "exit 3"]).succeeded();
    transcript.run(&["attach", "box", "ended"]).ended_with(3);
    transcript.run(&["exec", "-d", "--tag", "late", "--timeout", "100ms", "box", "--", "sleep", "1000"]).succeeded();
    transcript.run(&["attach", "box", "late"]).ended_with(125);
    transcript.run(&["exec", "--tag", "killed", "box", "--", "sh", "-c", "kill -9 $$"]).ended_with(137);
    transcript.run(&["exec", "-d", "--tag", "missing", "box", "--", "no-such-command"]).ended_with(127);
    transcript.run(&["ps", "box"]).succeeded();
    transcript.run_with_input(&["attach", "-i", "box", "reader"], "three\n").succeeded();
    transcript.run(&["logs", "box", "reader"]).succeeded();
    transcript.run(&["logs", "-f", "box", "reader"]).succeeded();
    transcript.run(&["attach", "box", "reader", "--from", "4"]).succeeded();
    transcript.run(&["ps", "box", "--json"]).succeeded();
    transcript.run(&["exec", "-d", "--tag", "again", "--json", "box", "--", "true"]).succeeded();
    transcript.run(&["rm", "box"]).succeeded();
    transcript.matches("background");
}

#[test]
fn what_is_said_of_commands_and_ports_that_cannot_be() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    sandbox.sh("true").succeeded();
    house.run(&["exec", "-d", "--tag", "busy", "box", "--", "sleep", "1000"]).succeeded();
    let mut transcript = Transcript::new(&house);
    for (typed, status) in [
        ("exec -d --tag busy box -- true", 125),
        ("exec --tag busy box -- true", 125),
        ("attach box nothing", 125),
        ("attach box 99999", 125),
        ("attach box busy --from 7", 125),
        ("logs box nothing", 3),
        ("logs -f box nothing", 3),
        ("ps nobody", 3),
        ("attach nobody busy", 125),
        ("forward nobody 80", 3),
        ("forward box 192.0.2.1:0:80", 4),
        ("forward box unix:/no/such/folder/x:80", 4),
        ("forward box unix:/etc/passwd:80", 7),
    ] {
        transcript.run(&words(typed)).ended_with(status);
    }
    transcript.matches("background-that-cannot-be");
    sandbox.remove();
}
