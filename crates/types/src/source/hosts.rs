//! The keys of `hosts.yaml`: one file of many hosts, so that what is wrong with one leaves the others alone.

use super::Fault;
use super::reader::Reader;
use super::sheet::{Place, Remark};
use super::tree::{self, Node};
use super::values::{from_error, labels, size, time_span};
use crate::id::quote_shortened;
use crate::{Host, HostId, HostPrice, HostResources, SshDestination};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

const MOST_SLOTS: u64 = 100_000;

/// One host of the file, or what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct HostEntry {
    /// Its id, as far as it can be told.
    pub id: Option<HostId>,
    /// The host.
    pub host: Result<Host, Vec<Fault>>,
}

/// What a file of hosts holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostsFile {
    /// Every host, in the order of the file.
    pub entries: Vec<HostEntry>,
    /// What is wrong with the file outside of all of them.
    pub faults: Vec<Fault>,
}

/// A host as it was read, before it is known which faults are its own.
struct Found {
    id: Option<HostId>,
    place: Place,
    host: Option<Host>,
}

/// Reads a file of hosts. A fault disables the host it stands in; one that stands in none disables none.
pub fn parse_hosts(file: &str, text: &str) -> HostsFile {
    let mut reader = Reader::new(file, text);
    let mut found = Vec::new();
    if let Some(root) = tree::parse(&mut reader.sheet) {
        read(&mut reader, &root, &mut found);
    }
    let shows_all = reader.sheet.shows_all();
    let bounds: Vec<_> = found
        .iter()
        .map(|one| {
            let end = Place { start: one.place.end, end: one.place.end };
            (reader.sheet.position(one.place), reader.sheet.position(end))
        })
        .collect();
    let mut own: Vec<Vec<Fault>> = vec![Vec::new(); found.len()];
    let mut faults = Vec::new();
    for fault in reader.sheet.conclude(Some(())).err().into_iter().flatten() {
        let position = (fault.line, fault.column);
        let holds = |(start, end): &(_, _)| *start == position || (*start < position && position < *end);
        match bounds.iter().rposition(holds) {
            Some(index) => own[index].push(fault),
            None => faults.push(fault),
        }
    }
    let entry = |(one, mut faults): (Found, Vec<Fault>)| {
        let host = match one.host {
            Some(host) if faults.is_empty() && shows_all => Ok(host),
            _ => {
                if faults.is_empty() {
                    faults.push(Fault::of_file(file, "so much is wrong that what is right cannot be told"));
                }
                Err(faults)
            }
        };
        HostEntry { id: one.id, host }
    };
    HostsFile { entries: found.into_iter().zip(own).map(entry).collect(), faults }
}

fn read(reader: &mut Reader<'_>, root: &Node, found: &mut Vec<Found>) -> Option<()> {
    let mut fields = reader.fields(root)?;
    let mut lines = BTreeMap::new();
    fields.required("hosts", |reader, node| {
        reader.list(node, |reader, item| {
            let (id, host) = host(reader, item, &mut lines).unwrap_or_default();
            found.push(Found { id, place: item.place, host });
            // Also after a faulty one the others are read.
            Some(())
        })
    })?;
    Some(())
}

/// A host's id, and the host itself unless something was wrong with it.
fn host(
    reader: &mut Reader<'_>,
    node: &Node,
    lines: &mut BTreeMap<HostId, usize>,
) -> Option<(Option<HostId>, Option<Host>)> {
    let mut fields = reader.fields(node)?;
    let id = fields.required("id", |reader, node| new_id(reader, node, lines));
    let ssh = fields.optional("ssh", destination);
    if let Some(entry) = fields.entry("ssh").filter(|_| id.as_ref().is_some_and(HostId::is_localhost)) {
        let remark = Remark::new("`localhost` is this machine, which is reached without ssh")
            .hint("leave `ssh` out, or give the host another id");
        fields.reader.sheet.report(entry.key_place, remark);
    }
    let host = Host {
        ssh,
        labels: fields.optional("labels", labels).unwrap_or_default(),
        slots: fields.optional("slots", slots),
        resources: fields.optional("resources", resources).unwrap_or_default(),
        price: fields.optional("price", price),
        ..Host::named(id.clone()?)
    };
    Some((id, Some(host)))
}

fn new_id(reader: &mut Reader<'_>, node: &Node, lines: &mut BTreeMap<HostId, usize>) -> Option<HostId> {
    let line = reader.sheet.line(node.place);
    let id: HostId = reader.text(node, |text| text.parse().map_err(from_error))?;
    if let Some(first) = lines.get(&id) {
        let message = format!("{} is described twice; first on line {first}", quote_shortened(id.as_str()));
        reader.sheet.report(node.place, Remark::new(message));
    } else {
        lines.insert(id.clone(), line);
    }
    Some(id)
}

fn destination(reader: &mut Reader<'_>, node: &Node) -> Option<SshDestination> {
    reader.text(node, |text| text.parse().map_err(|fault| from_error(fault).hint(SshDestination::FORMS)))
}

fn slots(reader: &mut Reader<'_>, node: &Node) -> Option<u32> {
    u32::try_from(reader.count(node, MOST_SLOTS)?).ok()
}

fn resources(reader: &mut Reader<'_>, node: &Node) -> Option<HostResources> {
    let mut fields = reader.fields(node)?;
    Some(HostResources {
        cpus: fields.optional("cpus", Reader::positive),
        memory: fields.optional("memory", size),
        disk: fields.optional("disk", size),
    })
}

fn price(reader: &mut Reader<'_>, node: &Node) -> Option<HostPrice> {
    let mut fields = reader.fields(node)?;
    let amount = fields.required("amount", amount);
    let currency = fields.required("currency", currency);
    let per = fields.required("per", time_span);
    Some(HostPrice { amount: amount?, currency: currency?, per: per? })
}

/// As it was written, so that nothing is rounded.
fn amount(reader: &mut Reader<'_>, node: &Node) -> Option<Decimal> {
    reader.written(node, |text| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        Decimal::from_str_exact(text).ok().filter(|_| digits).ok_or_else(|| {
            let message = format!("{} is not an amount of money", quote_shortened(text));
            Remark::new(message).hint("for example `0.12`, at least 0")
        })
    })
}

fn currency(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    reader.text(node, |text| {
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Ok(text.to_owned());
        }
        let message = format!("{} is not the code of a currency", quote_shortened(text));
        Err(Remark::new(message).hint("three capital letters, for example `USD`"))
    })
}
