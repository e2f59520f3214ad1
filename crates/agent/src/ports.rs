//! The TCP ports that programs listen on.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sandboxer_envd::agent::Port;

use crate::accounts::Accounts;

/// The kernel's number for a socket that listens.
const LISTENING: &str = "0A";

/// Those of the agent's own network, by number.
pub(crate) fn listening(accounts: &Accounts) -> io::Result<Vec<Port>> {
    let mut ports = Vec::new();
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(text) => ports.extend(parse(&text, accounts)),
            // A kernel without this kind of network has no table of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    ports.sort_by(|one, other| (one.port, &one.address).cmp(&(other.port, &other.address)));
    Ok(ports)
}

fn parse<'a>(table: &'a str, accounts: &'a Accounts) -> impl Iterator<Item = Port> + 'a {
    table.lines().skip(1).filter_map(|line| parse_line(line, accounts))
}

fn parse_line(line: &str, accounts: &Accounts) -> Option<Port> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, state, _, _, _, uid, ..] = fields[..] else { return None };
    if state != LISTENING {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    Some(Port {
        port: u32::from_str_radix(port, 16).ok()?,
        address: parse_address(address)?.to_string(),
        owner: accounts.user_name(uid.parse().ok()?),
    })
}

/// The kernel prints each group of four bytes as one number of the machine's own byte order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let groups = text.as_bytes().chunks(8).map(|group| {
        let number = u32::from_str_radix(std::str::from_utf8(group).ok()?, 16).ok()?;
        Some(number.to_ne_bytes())
    });
    let bytes = groups.collect::<Option<Vec<_>>>()?.concat();
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0\n   1: 0100007F:1F91 0100007F:0001 01 00000000:00000000 00:00000000 00000000  1000        0 1 1 0\n   2: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 1\nbroken\n";
        let accounts = Accounts::default();
        let ports: Vec<_> = parse(table, &accounts).map(|port| (port.port, port.address, port.owner)).collect();
        assert_eq!(ports, [(8080, "127.0.0.1".into(), "1000".into()), (22, "::1".into(), "0".into())]);
    }

    #[test]
    fn a_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = u32::from(listener.local_addr().unwrap().port());
        assert!(listening(&Accounts::default()).unwrap().iter().any(|found| found.port == port));
    }
}
