//! Files of hosts.

use super::is_well_formed;
use crate::source::{HostEntry, HostsFile, parse_hosts};
use crate::{Host, HostId};
use proptest::prelude::*;
use std::fmt::Write;

const FULL: &str = r#"
hosts:
  - id: build-1
    ssh: me@build-1.example.org:2222
    labels: {arch: x86_64, rack: 7}
    slots: 4
    resources: {cpus: 16, memory: 64GiB, disk: 500GiB}
    price: {amount: "0.12", currency: USD, per: 1h}
  - id: alias-of-mine
  - {id: localhost, slots: 2, price: {amount: 1.10, currency: EUR, per: 30d}}
"#;

fn parse(text: &str) -> HostsFile {
    parse_hosts("hosts.yaml", text)
}

/// Every entry in a line, and below it its faults; then those of the file.
fn printed(file: &HostsFile) -> String {
    let mut text = String::new();
    for HostEntry { id, host } in &file.entries {
        let id = id.as_ref().map_or("?", HostId::as_str);
        match host {
            Ok(host) => writeln!(text, "{id}: {host:?}"),
            Err(faults) => writeln!(text, "{id}: broken").map(|()| {
                text.extend(faults.iter().map(|fault| format!("{fault}\n")));
            }),
        }
        .expect("memory");
    }
    text.extend(file.faults.iter().map(|fault| format!("of the file: {fault}\n")));
    text
}

#[test]
fn every_key_of_a_host_arrives_and_survives_the_wire() {
    let file = parse(FULL);
    assert_eq!(file.faults, []);
    let hosts: Vec<Host> = file.entries.into_iter().map(|entry| entry.host.expect("sound")).collect();
    let value = serde_json::to_value(&hosts).expect("serializes");
    assert_eq!(serde_json::from_value::<Vec<Host>>(value).expect("parses"), hosts);
    let destinations: Vec<Option<String>> =
        hosts.iter().map(|host| host.destination().map(|destination| destination.to_string())).collect();
    assert_eq!(destinations, [Some("me@build-1.example.org:2222".to_owned()), Some("alias-of-mine".to_owned()), None]);
    assert_eq!(hosts[2].price.as_ref().expect("has one").amount.to_string(), "1.10", "as it was written");
    insta::assert_json_snapshot!(hosts);
}

#[test]
fn a_faulty_host_disables_itself_alone_and_every_fault_is_told() {
    let text = r#"hosts:
  - id: sound-1
  - id: build-1
    shs: me@build-1
    ssh: -oProxyCommand=id
    labels: {sandboxer.x: 1, team: [a]}
    slots: 0
    resources: {cpu: 1, memory: lots}
    price: {amount: -1, currency: usd, per: 0s}
  - id: build 2
    ssh: build-2
  - sound-1
  - id: sound-2
    ssh: build-3
    slots: 1
    slots: 2
  - {id: localhost, ssh: root@localhost}
  - {id: twice}
  - id: twice
    ssh: elsewhere
  - ssh: nameless
  - id: sound-3
host: []
"#;
    insta::assert_snapshot!(printed(&parse(text)));
}

#[test]
fn files_that_hold_no_list_of_hosts_are_told_so() {
    let many: String = (0..200).map(|index| format!("  - id: build-{index}\n    shs: x\n")).collect();
    let cases = [
        ("empty", String::new()),
        ("none", "hosts: []\n".to_owned()),
        ("a list", "- id: build-1\n".to_owned()),
        ("a mapping", "hosts: {build-1: {}}\n".to_owned()),
        ("a slip", "host:\n  - id: build-1\n".to_owned()),
        ("not YAML", "hosts:\n  - id: [build-1\n".to_owned()),
        ("an entry of nothing", "hosts:\n  -\n  - id: a\n".to_owned()),
        ("one line", "hosts: [{id: a, x: 1}, {id: b}, {id: c, slots: 1.5}, 7]\n".to_owned()),
    ];
    let report: Vec<String> =
        cases.into_iter().map(|(name, text)| format!("## {name}\n{}", printed(&parse(&text)))).collect();
    insta::assert_snapshot!(report.join("\n"));
    let hidden = parse(&format!("hosts:\n{many}  - id: sound\n"));
    assert!(hidden.entries.iter().all(|entry| entry.host.is_err()), "not every fault was placed");
}

fn mutated() -> impl Strategy<Value = String> {
    let noise = prop_oneof![any::<String>(), "[\\[\\]{}:,&*!|>'\"%@`#\n\t -]{0,8}", Just(String::new())];
    (0..=FULL.len(), 0..40_usize, noise).prop_map(move |(start, length, noise)| {
        let end = (start + length).min(FULL.len());
        format!("{}{noise}{}", &FULL[..start], &FULL[end..])
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![any::<String>(), mutated()]) {
        let file = parse(&text);
        for entry in &file.entries {
            match &entry.host {
                Ok(host) => {
                    prop_assert_eq!(Some(&host.id), entry.id.as_ref());
                    let value = serde_json::to_value(host).expect("serializes");
                    prop_assert_eq!(&serde_json::from_value::<Host>(value).expect("parses"), host);
                    prop_assert!(host.destination().is_none_or(|ssh| !ssh.host().starts_with('-')));
                }
                Err(faults) => prop_assert!(!faults.is_empty() && faults.iter().all(is_well_formed)),
            }
        }
        prop_assert!(file.faults.iter().all(is_well_formed));
    }
}
