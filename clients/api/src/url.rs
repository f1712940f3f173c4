//! Addresses of servers.

use countersign_protocol::loopback::is_loopback;
use ureq::http::Uri;

use crate::{error::ConfigError, proxy::Proxy};

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
    /// The text is not scheme, host and port.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let invalid = |why| ConfigError::Url {
            url: text.to_owned(),
            why,
        };
        let uri: Uri = text
            .trim()
            .parse()
            .map_err(|_| invalid("it is not a URL"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(invalid("it must begin with https://")),
        };
        let authority = uri
            .authority()
            .ok_or_else(|| invalid("it has no host name"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("it must not contain a user name or password"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(invalid("it must end after host and port"));
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return Err(invalid("it has no host name"));
        }
        let (scheme, default_port) = if https { ("https", 443) } else { ("http", 80) };
        let origin = match authority.port_u16().filter(|port| *port != default_port) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        Ok(Self {
            origin,
            https,
            loopback: is_loopback(&host),
        })
    }

    /// Returns an error for an unencrypted connection to another machine, unless that is allowed.
    pub(crate) fn require_encryption(&self, allow_plain_http: bool) -> Result<(), ConfigError> {
        if self.https || self.loopback || allow_plain_http {
            Ok(())
        } else {
            Err(ConfigError::PlainHttp {
                url: self.origin.clone(),
            })
        }
    }

    /// The proxy that the environment names for this server. Servers on this machine need none.
    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, ConfigError> {
        if self.loopback {
            return Ok(None);
        }
        let uri: Uri = self.origin.parse().map_err(|_| ConfigError::Url {
            url: self.origin.clone(),
            why: "it is not a URL",
        })?;
        Proxy::from_environment(&uri)
    }

    /// Scheme, host and, if it is not the default of the scheme, port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

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
    fn an_origin_is_written_as_browsers_write_it() {
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
    fn an_invalid_address_is_rejected() {
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
    fn plain_http_is_allowed_on_this_machine_only() {
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
        // These names only look like this machine's.
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
