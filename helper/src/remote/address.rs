//! The address of the server that a card is attached to.

use countersign_protocol::{loopback::is_loopback, text::printable};
use ureq::http::Uri;

/// The address of a RAMOverHTTP server. Path and query are sent unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    https: bool,
    loopback: bool,
}

/// Why an address is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAddress {
    #[error(
        "invalid server address `{0}`: expected a URL such as https://sign.example.org/rt/hsm, without a user name or password"
    )]
    Url(String),
    /// Unencrypted HTTP over a network.
    #[error(
        "{0} is not encrypted: anyone on the network path can read its token and send commands to the card. Use https, or \
         --allow-http if the path is safe"
    )]
    PlainHttp(String),
}

impl Address {
    /// Parses an address. Unencrypted addresses are accepted only for this computer, unless `allow_http` is set.
    ///
    /// # Errors
    /// The text is not an address, or the address is not encrypted.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress::Url(beginning(text.trim()));
        let uri: Uri = text.trim().parse().map_err(|_| invalid())?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(invalid()),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(invalid)?;
        // The authority must contain only host and port: no user name, no password, and no part of one instead of a port.
        let expected = match uri.port_u16() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        if uri.authority().is_none_or(|all| *all != *expected) {
            return Err(invalid());
        }
        let loopback = is_loopback(host);
        let address = Self {
            https,
            loopback,
            uri: uri.clone(),
        };
        if https || loopback || allow_http {
            Ok(address)
        } else {
            Err(InvalidAddress::PlainHttp(address.origin()))
        }
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) const fn is_https(&self) -> bool {
        self.https
    }

    pub(super) const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Scheme, host and port, for display. The path can contain a token, so it is never shown.
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        let authority = self.uri.authority().map_or("", |all| all.as_str());
        format!("{scheme}://{authority}")
    }
}

/// The part of an invalid address that is safe to show: scheme and host. A token can follow, and a password can precede an
/// `@`.
fn beginning(text: &str) -> String {
    let scheme = text.find("://").map_or(0, |at| at + "://".len());
    let (scheme, rest) = text.split_at(scheme);
    let host = if rest.contains('@') {
        ""
    } else {
        rest.split(['/', '\\', '?', '#', ' ']).next().unwrap_or("")
    };
    let cut = if host == rest { "" } else { "…" };
    printable(&format!("{scheme}{host}{cut}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_sent_unchanged_but_its_token_is_not_shown() {
        let address = Address::parse("https://a.example:8443/rt/hsm/SECRET?x=1", false).unwrap();
        assert_eq!(address.uri().path(), "/rt/hsm/SECRET");
        assert_eq!(address.uri().query(), Some("x=1"));
        assert_eq!(address.origin(), "https://a.example:8443");
    }

    #[test]
    fn an_invalid_address_is_shown_without_its_secrets() {
        for bad in [
            "htps://a.example/rt/hsm/SECRET",
            "https://me:SECRET@a.example/rt",
            "https://me:SE/SECRET@a.example/rt",
            "a.example/rt/SECRET",
            "me:SECRET@a.example",
            "https:///SECRET",
            "https://a.example:x?SECRET",
        ] {
            let error = Address::parse(bad, true).expect_err(bad).to_string();
            assert!(!error.contains("SECRET"), "{error}");
        }
        let error = Address::parse("htps://a.example/rt", true).expect_err("no scheme");
        assert!(error.to_string().contains("htps://a.example"), "{error}");
    }

    #[test]
    fn unencrypted_addresses_are_accepted_for_this_computer_only() {
        for good in [
            "http://127.0.0.1:1/x",
            "http://[::1]/x",
            "http://localhost/",
        ] {
            assert!(Address::parse(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/rt",
            "http://127.0.0.1.example/rt",
            "ftp://a/",
            "a.example",
            "https://",
            "https://me:pw@a.example/",
        ] {
            assert!(Address::parse(bad, false).is_err(), "{bad}");
        }
        assert!(Address::parse("http://a.example/rt", true).is_ok());
    }
}
