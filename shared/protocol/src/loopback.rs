//! Host names and addresses of the computer itself, to which plain HTTP is acceptable.

use std::net::IpAddr;

/// Whether a connection to this host stays on the computer: `localhost`, `127.0.0.0/8` or `::1`. The host comes without a
/// port; an IPv6 address may be in brackets.
pub fn is_loopback(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whether an authority, with or without a port, names one of the three loopback hosts that origins and `Host` headers may
/// name, in the spelling of browsers: `localhost`, `127.0.0.1` or `[::1]`. Other addresses of the loopback network are not
/// accepted, because no program of Countersign listens on them.
pub fn is_loopback_origin(authority: &str) -> bool {
    let port = ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .find_map(|host| authority.strip_prefix(host));
    port.is_some_and(|port| port.is_empty() || port.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts_are_recognised() {
        for (host, connection, origin) in [
            ("localhost", true, true),
            ("127.0.0.1", true, true),
            ("[::1]", true, true),
            ("LocalHost", true, false),
            ("127.9.9.9", true, false),
            ("::1", true, false),
            ("[0:0:0:0:0:0:0:1]", true, false),
            ("[::1", false, false),
            ("localhost:80", false, true),
            ("[::1]:8080", false, true),
            ("[::1]x", false, false),
            ("127.0.0.10", true, false),
            ("localhost.example.org", false, false),
            ("127.0.0.1.example.org", false, false),
            ("[127.0.0.1].example.org", false, false),
            ("192.0.2.1", false, false),
            ("[2001:db8::1]", false, false),
            ("0.0.0.0", false, false),
            ("", false, false),
        ] {
            assert_eq!(is_loopback(host), connection, "{host}");
            assert_eq!(is_loopback_origin(host), origin, "{host}");
        }
    }
}
