//! Web origins in their canonical spelling, and the store of the user's permissions.

mod attach_request;
mod store;

pub use attach_request::AttachRequest;
pub use store::{KnownOrigin, OriginStore, OriginStoreError};

use countersign_protocol::loopback::is_loopback_origin;

/// A web origin in the canonical spelling that browsers send: `https://host[:port]`, or `http` for this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(String);

/// Why a text is not an acceptable origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// The scheme is neither `https` nor `http`.
    #[error("an origin begins with https:// (or http:// for this machine)")]
    Scheme,
    /// `http` to another machine, where anyone on the network path could impersonate the origin.
    #[error("http:// is accepted for this machine only: use https://")]
    Insecure,
    /// Not a host name or address in canonical spelling.
    #[error("the host is not in the spelling that browsers send, such as sign.example.org")]
    Host,
    /// Not a port number, or the scheme's default port.
    #[error(
        "the port is not in the spelling that browsers send: 1 to 65535, without the default port"
    )]
    Port,
}

/// The longest host name (RFC 1035).
const MAX_HOST: usize = 253;

impl Origin {
    /// Accepts canonical spelling only, because browsers send no other.
    ///
    /// # Errors
    /// The text is not an origin in canonical spelling, or it is `http` to another machine.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(InvalidOrigin::Scheme),
        };
        let (host, port) = split_port(rest)?;
        if !is_host(host) {
            return Err(InvalidOrigin::Host);
        }
        if let Some(port) = port {
            check_port(port, if secure { "443" } else { "80" })?;
        }
        if !secure && !is_loopback_origin(host) {
            return Err(InvalidOrigin::Insecure);
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Splits `host[:port]`. An IPv6 address must be in brackets.
pub fn split_port(text: &str) -> Result<(&str, Option<&str>), InvalidOrigin> {
    let host_end = if text.starts_with('[') {
        text.find(']').ok_or(InvalidOrigin::Host)? + 1
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(host_end);
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((host, None)),
        None => Err(InvalidOrigin::Host),
        Some(port) => Ok((host, Some(port))),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        // `Display` writes the canonical spelling (RFC 5952).
        return address
            .parse::<std::net::Ipv6Addr>()
            .is_ok_and(|parsed| parsed.to_string() == address);
    }
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if numeric {
        return host.parse::<std::net::Ipv4Addr>().is_ok();
    }
    host.len() <= MAX_HOST && host.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn check_port(port: &str, default: &str) -> Result<(), InvalidOrigin> {
    let number: u16 = port.parse().map_err(|_| InvalidOrigin::Port)?;
    // The comparison excludes a sign and leading zeros.
    if number == 0 || number.to_string() != port || port == default {
        return Err(InvalidOrigin::Port);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_origins_are_accepted() {
        for text in [
            "https://sign.example.org",
            "https://sign.example.org:8443",
            "https://xn--bcher-kva.example",
            "https://192.0.2.7:8443",
            "https://[2001:db8::1]",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost",
        ] {
            assert_eq!(
                Origin::parse(text).map(|o| o.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn everything_else_is_rejected() {
        for text in [
            "",
            "null",
            "file://",
            "https://",
            "http://sign.example.org",
            "HTTPS://sign.example.org",
            "https://Sign.example.org",
            "https://sign.example.org/",
            "https://sign.example.org:443",
            "http://localhost:80",
            "https://sign.example.org:08443",
            "https://sign.example.org:+8443",
            "https://sign.example.org:0",
            "https://sign.example.org:70000",
            "https://sign.example.org:",
            "https://user@sign.example.org",
            "https://sign.example.org?x",
            "https://sign.example.org#x",
            " https://sign.example.org",
            "https://sign.example.org ",
            "https://sign..example.org",
            "https://-sign.example.org",
            "https://sign.example.org.",
            "https://1.2.3",
            "https://[::1",
            "https://[0:0:0:0:0:0:0:1]",
            "https://[::1]x",
            "https://bücher.example",
            "http://127.0.0.2",
            "http://localhost.evil.example",
            "chrome-extension://abc",
            "https://a b",
            "http://127.0.0.1.nip.example",
        ] {
            assert!(Origin::parse(text).is_err(), "{text:?}");
        }
    }
}
