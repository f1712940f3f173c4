//! Addresses of servers.

use countersign_protocol::loopback::is_loopback;
use ureq::http::Uri;

use crate::error::ConfigError;

/// Scheme, host and port of a server, as a browser would write its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    origin: String,
    https: bool,
    loopback: bool,
}

impl ServerUrl {
    /// Reads an address such as `https://sign.example.org`.
    ///
    /// # Errors
    /// [`ConfigError::Url`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |why| ConfigError::Url {
            url: text.to_owned(),
            why,
        };
        let uri: Uri = text
            .trim()
            .parse()
            .map_err(|_| refuse("it cannot be read"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refuse("it must begin with https://")),
        };
        let authority = uri
            .authority()
            .ok_or_else(|| refuse("there is no host name"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("there must be no user name or password in it"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refuse("there must be nothing behind host and port"));
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return Err(refuse("there is no host name"));
        }
        let (scheme, usual) = if https { ("https", 443) } else { ("http", 80) };
        let origin = match authority.port_u16().filter(|port| *port != usual) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        Ok(Self {
            origin,
            https,
            loopback: is_loopback(&host),
        })
    }

    /// Refuses an unencrypted connection that leaves this machine.
    pub(crate) fn require_encryption(&self, allow_plain_http: bool) -> Result<(), ConfigError> {
        if self.https || self.loopback || allow_plain_http {
            Ok(())
        } else {
            Err(ConfigError::PlainHttp {
                url: self.origin.clone(),
            })
        }
    }

    /// Scheme, host and, if it is not the usual one, port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether the connection is encrypted.
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// Whether the server is on this machine.
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl std::fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        for (text, origin) in [
            ("https://Sign.Example.org/", "https://sign.example.org"),
            ("https://sign.example.org:443", "https://sign.example.org"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:80/", "http://[::1]"),
        ] {
            assert_eq!(ServerUrl::parse(text).unwrap().origin(), origin);
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in [
            "",
            "sign.example.org",
            "ftp://sign.example.org",
            "https://",
            "https://me:secret@sign.example.org",
            "https://sign.example.org/api",
            "https://sign.example.org/?x",
        ] {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        let allowed = |text: &str| {
            ServerUrl::parse(text)
                .unwrap()
                .require_encryption(false)
                .is_ok()
        };
        for text in [
            "http://127.0.0.1:1",
            "http://127.9.9.9",
            "http://[::1]:8080",
            "http://localhost:8080",
        ] {
            assert!(allowed(text), "{text}");
        }
        // Names that only look like this machine.
        for text in [
            "http://localhost.example.org",
            "http://127.0.0.1.example.org",
            "http://10.0.0.1",
        ] {
            assert!(!allowed(text), "{text}");
        }
        assert!(
            ServerUrl::parse("http://10.0.0.1")
                .unwrap()
                .require_encryption(true)
                .is_ok()
        );
    }
}
