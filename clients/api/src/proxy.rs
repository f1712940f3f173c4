//! Proxies that the environment names, as curl and other programs use them.

use std::ffi::OsString;

use hyper_util::client::proxy::matcher::Matcher;
use ureq::http::Uri;

use crate::error::ConfigError;

/// The variables that name the proxy for a scheme, by their precedence.
const HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy, and where its address comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    connection: ureq::Proxy,
    /// The address without user name and password.
    shown: String,
    variable: &'static str,
}

impl Proxy {
    /// The proxy that the environment names for this address.
    ///
    /// # Errors
    /// The variable's value is not the address of a proxy.
    pub fn from_environment(uri: &Uri) -> Result<Option<Self>, ConfigError> {
        Self::for_uri(uri, &|name| std::env::var_os(name))
    }

    /// [`Self::from_environment`] with the given environment, for tests.
    ///
    /// # Errors
    /// The variable's value is not the address of a proxy.
    pub fn for_uri(
        uri: &Uri,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, ConfigError> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = environment(name).filter(|value| !value.is_empty())?;
                Some((*name, value.into_string()))
            })
        };
        let names = match uri.scheme_str() {
            Some("https") => HTTPS,
            _ => HTTP,
        };
        let Some((variable, value)) = first(&names) else {
            return Ok(None);
        };
        if let Some((variable, exceptions)) = first(&EXCEPTIONS) {
            let exceptions = exceptions.map_err(|_| ConfigError::Environment {
                variable,
                why: "it is not valid UTF-8",
            })?;
            if is_exempt(uri, &exceptions) {
                return Ok(None);
            }
        }
        // The value is not part of the error, because it may contain a password.
        let invalid = ConfigError::Proxy { variable };
        let Ok(value) = value else {
            return Err(invalid);
        };
        let Ok(connection) = ureq::Proxy::new(value.trim()) else {
            return Err(invalid);
        };
        let scheme = connection.uri().scheme_str().unwrap_or("http");
        let shown = format!("{scheme}://{}:{}", connection.host(), connection.port());
        Ok(Some(Self {
            connection,
            shown,
            variable,
        }))
    }

    /// The proxy as a setting of an agent.
    pub fn connection(&self) -> ureq::Proxy {
        self.connection.clone()
    }

    /// The variable that names the proxy.
    pub const fn variable(&self) -> &'static str {
        self.variable
    }
}

/// The address and the variable, without user name and password.
impl std::fmt::Display for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "proxy {} (from {})", self.shown, self.variable)
    }
}

/// Whether `NO_PROXY` names the host: as a name, which covers its subdomains, as an address, a network or `*`.
fn is_exempt(uri: &Uri, exceptions: &str) -> bool {
    // The matcher knows suffixes with and without a dot, but not the spelling `*.example.org` that other programs accept.
    let exceptions: Vec<&str> = exceptions
        .split(',')
        .map(str::trim)
        .map(|entry| {
            entry
                .strip_prefix('*')
                .filter(|rest| rest.starts_with('.'))
                .unwrap_or(entry)
        })
        .collect();
    let any = "http://proxy.invalid";
    Matcher::builder()
        .http(any)
        .https(any)
        .no(exceptions.join(","))
        .build()
        .intercept(uri)
        .is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, environment: &[(&str, &str)]) -> Result<Option<Proxy>, ConfigError> {
        let uri: Uri = url.parse().unwrap();
        Proxy::for_uri(&uri, &|name| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn variable(url: &str, environment: &[(&str, &str)]) -> Option<&'static str> {
        proxy(url, environment).unwrap().map(|proxy| proxy.variable)
    }

    #[test]
    fn the_variable_of_the_scheme_comes_first() {
        let (https, http, all) = (
            ("HTTPS_PROXY", "http://a:1"),
            ("http_proxy", "http://b:2"),
            ("ALL_PROXY", "c:3"),
        );
        let server = "https://sign.example.org";
        assert_eq!(variable(server, &[all, http, https]), Some("HTTPS_PROXY"));
        assert_eq!(variable(server, &[all, http]), Some("ALL_PROXY"));
        assert_eq!(variable(server, &[http]), None);
        let plain = "http://10.0.0.1:8080";
        assert_eq!(variable(plain, &[all, http, https]), Some("http_proxy"));
        assert_eq!(variable(plain, &[https]), None);
        assert_eq!(variable(server, &[("HTTPS_PROXY", "")]), None);
    }

    #[test]
    fn no_proxy_exempts_names_suffixes_addresses_and_networks() {
        for (host, exceptions, exempt) in [
            ("sign.example.org", "sign.example.org", true),
            ("sign.example.org", "SIGN.EXAMPLE.ORG", true),
            ("sign.example.org", "other.org, example.org", true),
            ("sign.example.org", ".example.org", true),
            ("sign.example.org", "*.example.org", true),
            ("sign.example.org", "*", true),
            ("sign.example.org", "ample.org", false),
            ("sign.example.org", "", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("[fd00::1]", "fd00::/8", true),
        ] {
            for name in ["NO_PROXY", "no_proxy"] {
                let environment = [("HTTPS_PROXY", "http://proxy:3128"), (name, exceptions)];
                let used = variable(&format!("https://{host}"), &environment);
                assert_eq!(used.is_none(), exempt, "{host} with {name}={exceptions}");
            }
        }
    }

    #[test]
    fn credentials_are_used_but_never_shown() {
        let environment = [("HTTPS_PROXY", "http://me:s%40cret@proxy.example.org:3128")];
        let proxy = proxy("https://sign.example.org", &environment)
            .unwrap()
            .unwrap();
        assert_eq!(proxy.connection().password(), Some("s@cret"));
        assert_eq!(
            proxy.to_string(),
            "proxy http://proxy.example.org:3128 (from HTTPS_PROXY)"
        );
        assert!(!format!("{proxy:?}").contains("cret"), "{proxy:?}");
    }

    #[test]
    fn an_invalid_proxy_is_an_error_without_its_value() {
        for value in ["gopher://me:secret@proxy", "http://", "me:secret@"] {
            let error = proxy("https://sign.example.org", &[("ALL_PROXY", value)]).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains("ALL_PROXY") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
