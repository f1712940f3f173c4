//! What a page asks for, in the query of its request.

use crate::{
    origin::{InvalidOrigin, Origin},
    remote::{Address, InvalidAddress, InvalidCookie, SessionCookies},
};

/// A wish for a card.
#[derive(Clone)]
pub(super) struct Trigger {
    /// The RAMOverHTTP server.
    pub(super) address: Address,
    /// Its origin: what the user agrees to.
    pub(super) server: Origin,
    /// Session of the browser that this belongs to.
    pub(super) session: Option<SessionCookies>,
    /// The page wants the card unlocked first.
    pub(super) pin: bool,
}

/// Why a query is no wish that can be fulfilled.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTrigger {
    #[error("the request names no server (url=...), or more than one")]
    Url,
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error("{0}: {1}")]
    Origin(String, InvalidOrigin),
    #[error(transparent)]
    Session(#[from] InvalidCookie),
}

impl Trigger {
    /// Reads `url=URL[&sessionId=ID][&pinrequired=REF]`. Nothing is decoded: pages that are made for this write the address as it is.
    pub(super) fn parse(query: &str) -> Result<Self, NoTrigger> {
        let values = |wanted: &'static str| {
            query.split('&').filter_map(move |pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (name == wanted).then_some(value)
            })
        };
        let mut urls = values("url");
        let (Some(url), None) = (urls.next(), urls.next()) else {
            return Err(NoTrigger::Url);
        };
        let address = Address::parse(url, false)?;
        let server = Origin::parse(&address.shown())
            .map_err(|error| NoTrigger::Origin(address.shown(), error))?;
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
    fn the_parameters_are_taken_as_they_are() {
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
    fn what_is_doubtful_is_no_trigger() {
        for query in [
            "",
            "url",
            "url=",
            "URL=https://a.example/",
            "url=https://a.example/&url=https://b.example/",
            // Encoded, as no page for this writes it.
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
