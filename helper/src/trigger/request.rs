//! Parses the query of a page's request.

use crate::{
    origin::{InvalidOrigin, Origin},
    remote::{Address, InvalidAddress, InvalidCookie, SessionCookies},
};

/// A request to attach a card.
#[derive(Clone)]
pub(super) struct Trigger {
    /// The address of the RAMOverHTTP server.
    pub(super) address: Address,
    /// The server's origin, which the user allows.
    pub(super) server: Origin,
    /// The browser's session that the card's session becomes part of.
    pub(super) session: Option<SessionCookies>,
    /// Whether the page requests that the PIN is verified first.
    pub(super) pin: bool,
}

/// Why a query cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidTrigger {
    #[error("the request must name exactly one server (url=...)")]
    Url,
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error("{0}: {1}")]
    Origin(String, InvalidOrigin),
    #[error(transparent)]
    Session(#[from] InvalidCookie),
}

impl Trigger {
    /// Parses `url=URL[&sessionId=ID][&pinrequired=REF]`. Nothing is decoded, because pages for CardContact's web client
    /// write the address unencoded.
    pub(super) fn parse(query: &str) -> Result<Self, InvalidTrigger> {
        let values = |wanted: &'static str| {
            query.split('&').filter_map(move |pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (name == wanted).then_some(value)
            })
        };
        let mut urls = values("url");
        let (Some(url), None) = (urls.next(), urls.next()) else {
            return Err(InvalidTrigger::Url);
        };
        let address = Address::parse(url, false)?;
        let server = Origin::parse(&address.origin())
            .map_err(|error| InvalidTrigger::Origin(address.origin(), error))?;
        let mut sessions = values("sessionId");
        let session = match (sessions.next(), sessions.next()) {
            (None, _) => None,
            (Some(session), None) => Some(SessionCookies::parse(session)?),
            (Some(_), Some(_)) => return Err(InvalidCookie.into()),
        };
        Ok(Self {
            address,
            server,
            session,
            pin: values("pinrequired").next().is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_not_decoded() {
        let full = Trigger::parse(
            "x=1&sessionId=S=a;T=b&url=https://a.example:8443/rt/hsm%2F&pinrequired=81",
        )
        .unwrap();
        assert_eq!(full.server.as_str(), "https://a.example:8443");
        assert!(full.pin && full.session == SessionCookies::parse("S=a;T=b").ok());
        let least = Trigger::parse("url=http://127.0.0.1:8080/rt/hsm").unwrap();
        assert!(!least.pin && least.session.is_none());
        assert!(
            Trigger::parse("pinrequired&url=https://a.example/")
                .unwrap()
                .pin
        );
    }

    #[test]
    fn invalid_or_ambiguous_queries_are_rejected() {
        for query in [
            "",
            "url",
            "url=",
            "URL=https://a.example/",
            "url=https://a.example/&url=https://b.example/",
            // Encoded, unlike the pages for CardContact's web client.
            "url=https%3A%2F%2Fa.example%2F",
            "url=http://a.example/rt",
            "url=http://127.0.0.2/rt",
            "url=ftp://a.example/",
            "url=https://me@a.example/",
            "url=https://A.example/",
            "url=https://a.example:443/",
            "url=/rt/hsm",
            "url=https://a.example/&sessionId=",
            "url=https://a.example/&sessionId=a&sessionId=b",
        ] {
            assert!(Trigger::parse(query).is_err(), "{query}");
        }
    }
}
