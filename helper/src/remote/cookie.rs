//! The cookies of a browser's session that a session with a card is part of.

use ureq::{Agent, Cookie, http::Uri};

/// The most bytes of a session.
const MAX_LENGTH: usize = 4096;

/// Cookies that are sent from the first POST on. They give access to the browser's session, so they are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionCookies(Vec<String>);

/// The text cannot be sent as cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session cannot be sent as a cookie")]
pub struct InvalidCookie;

impl SessionCookies {
    /// Parses a session. A text with `=` contains whole cookies (`NAME=VALUE`, separated by `;`). Any other text is the value
    /// of the cookie `JSESSIONID`.
    ///
    /// # Errors
    /// The text cannot be sent as cookies.
    pub fn parse(session: &str) -> Result<Self, InvalidCookie> {
        if session.is_empty()
            || session.len() > MAX_LENGTH
            || !session.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(InvalidCookie);
        }
        let cookies = if session.contains('=') {
            session.split(';').map(str::to_owned).collect()
        } else if session.contains(';') {
            return Err(InvalidCookie);
        } else {
            vec![format!("JSESSIONID={session}")]
        };
        let named = |cookie: &String| {
            cookie
                .split_once('=')
                .is_some_and(|(name, _)| !name.is_empty())
        };
        if cookies.iter().all(named) {
            Ok(Self(cookies))
        } else {
            Err(InvalidCookie)
        }
    }

    /// Adds the cookies to the jar that also stores the server's cookies.
    pub(super) fn add_to(&self, agent: &Agent, uri: &Uri) -> Result<(), ureq::Error> {
        let mut jar = agent.cookie_jar_lock();
        for cookie in &self.0 {
            jar.insert(Cookie::parse(format!("{cookie}; Path=/"), uri)?, uri)?;
        }
        Ok(())
    }

    /// Removes each cookie that the server has replaced by a newer one of the same name for a narrower path.
    pub(super) fn remove_replaced(&self, agent: &Agent, uri: &Uri) {
        let mut jar = agent.cookie_jar_lock();
        for cookie in &self.0 {
            let name = cookie.split('=').next().unwrap_or_default();
            let count = jar.iter().filter(|known| known.name() == name).count();
            if count > 1 {
                jar.remove(uri.host().unwrap_or_default(), "/", name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_without_a_name_becomes_jsessionid() {
        let of = |text| SessionCookies::parse(text).map(|cookies| cookies.0);
        assert_eq!(of("abc"), Ok(vec!["JSESSIONID=abc".to_owned()]));
        assert_eq!(of("S=a=b"), Ok(vec!["S=a=b".to_owned()]));
        assert_eq!(of("A=1;B=2"), Ok(vec!["A=1".to_owned(), "B=2".to_owned()]));
        for bad in ["", "=x", "a;b", "A=1;b", "a b", "a\r\nX: y", "ä"] {
            assert_eq!(of(bad), Err(InvalidCookie), "{bad:?}");
        }
        assert_eq!(of(&"a".repeat(MAX_LENGTH + 1)), Err(InvalidCookie));
    }
}
