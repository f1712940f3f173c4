//! Finds the user whose process opened a connection, because any program can forge an Origin header. Linux lists the owner
//! in `/proc/net/tcp`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

/// The state ESTABLISHED in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";

/// Whether the peer of a connection belongs to the user of this process.
///
/// Systems other than Linux do not report the owner. There, every peer is accepted, because consent and PIN still protect
/// the card.
pub fn is_same_user(local: SocketAddr, peer: SocketAddr) -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    match (
        own_uid(Path::new("/proc/self/status")),
        owner(Path::new("/proc/net"), local, peer),
    ) {
        (Some(own), Some(owner)) if own == owner => true,
        (own, owner) => {
            tracing::warn!(?own, ?owner, %peer, "rejected a connection from another user's program");
            false
        }
    }
}

/// The user id of the process that holds the peer's end.
fn owner(proc_net: &Path, local: SocketAddr, peer: SocketAddr) -> Option<u32> {
    let wanted = (canonical(peer), canonical(local));
    ["tcp", "tcp6"].iter().find_map(|file| {
        // A program with an IPv6 socket can reach an IPv4 address, so both tables are searched.
        let table = std::fs::read_to_string(proc_net.join(file)).ok()?;
        table
            .lines()
            .skip(1)
            .find_map(|line| entry(line).filter(|(ends, _)| *ends == wanted))
            .map(|(_, uid)| uid)
    })
}

type Ends = (SocketAddr, SocketAddr);

fn entry(line: &str) -> Option<(Ends, u32)> {
    let mut fields = line.split_whitespace().skip(1);
    let local = address(fields.next()?)?;
    let remote = address(fields.next()?)?;
    if fields.next()? != ESTABLISHED {
        return None;
    }
    let uid = fields.nth(3)?.parse().ok()?;
    Some(((local, remote), uid))
}

fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip = match host.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(host)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, out) in bytes.chunks_mut(4).enumerate() {
                out.copy_from_slice(&word(host.get(at * 8..at * 8 + 8)?)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(canonical(SocketAddr::new(ip, port)))
}

/// The kernel prints network-order words as native integers.
fn word(hex: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(hex, 16).ok().map(u32::to_ne_bytes)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The effective user id, read without unsafe code.
fn own_uid(status: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_endian = "little"))]
mod tests {
    use super::*;

    const HEADER: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn tables(v4: &str, v6: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("tcp"), format!("{HEADER}{v4}")).unwrap();
        std::fs::write(directory.path().join("tcp6"), format!("{HEADER}{v6}")).unwrap();
        directory
    }

    #[test]
    fn the_owner_is_that_of_the_peers_end() {
        // The second line is the local end: the same two addresses in reverse order, with uid 1000.
        let directory = tables(
            "   0: 0100007F:D431 0100007F:6A2F 01 00000000:00000000 00:00000000 00000000  1001        0 1 1 0\n   1: 0100007F:6A2F 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0\n",
            "",
        );
        let local = "127.0.0.1:27183".parse().unwrap();
        let peer = "127.0.0.1:54321".parse().unwrap();
        assert_eq!(owner(directory.path(), local, peer), Some(1001));
    }

    #[test]
    fn both_families_and_mapped_addresses_are_found() {
        let directory = tables(
            "",
            "   0: 00000000000000000000000001000000:D431 00000000000000000000000001000000:6A2F 01 00000000:00000000 00:00000000 00000000  1002        0 1 1 0\n   1: 0000000000000000FFFF00000100007F:D432 0000000000000000FFFF00000100007F:6A2F 01 00000000:00000000 00:00000000 00000000  1003        0 1 1 0\n",
        );
        assert_eq!(
            owner(
                directory.path(),
                "[::1]:27183".parse().unwrap(),
                "[::1]:54321".parse().unwrap()
            ),
            Some(1002)
        );
        assert_eq!(
            owner(
                directory.path(),
                "127.0.0.1:27183".parse().unwrap(),
                "127.0.0.1:54322".parse().unwrap()
            ),
            Some(1003)
        );
    }

    #[test]
    fn closed_and_unknown_connections_have_no_owner() {
        let directory = tables(
            "   0: 0100007F:D431 0100007F:6A2F 06 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n garbage\n",
            "",
        );
        let local = "127.0.0.1:27183".parse().unwrap();
        assert_eq!(
            owner(directory.path(), local, "127.0.0.1:54321".parse().unwrap()),
            None
        );
        assert_eq!(
            owner(directory.path(), local, "127.0.0.1:1".parse().unwrap()),
            None
        );
        assert_eq!(owner(Path::new("/nowhere"), local, local), None);
    }

    #[test]
    fn a_real_connection_of_this_process_is_accepted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(is_same_user(
            listener.local_addr().unwrap(),
            client.local_addr().unwrap()
        ));
        assert!(!is_same_user(
            listener.local_addr().unwrap(),
            "127.0.0.1:1".parse().unwrap()
        ));
    }
}
