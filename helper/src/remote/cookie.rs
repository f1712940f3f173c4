//! The session of somebody else's browser, which a session with a card belongs to.

use ureq::{Agent, Cookie, http::Uri};

/// Longer ones are no session's name.
const LONGEST: usize = 4096;

/// Cookies that are sent with the first POST already. Whoever knows them is that browser: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionCookies(Vec<String>);

/// Text that cannot be sent as cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session cannot be written as a cookie")]
pub struct InvalidCookie;

impl SessionCookies {
    /// With `=`: cookies as they are (`NAME=VALUE`, divided by `;`); otherwise the value of the cookie `JSESSIONID`.
    ///
    /// # Errors
    /// [`InvalidCookie`].
    pub fn parse(session: &str) -> Result<Self, InvalidCookie> {
        if session.is_empty()
            || session.len() > LONGEST
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

    /// Puts them where the answers' cookies go too.
    pub(super) fn send_to(&self, agent: &Agent, uri: &Uri) -> Result<(), ureq::Error> {
        let mut jar = agent.cookie_jar_lock();
        for cookie in &self.0 {
            jar.insert(Cookie::parse(format!("{cookie}; Path=/"), uri)?, uri)?;
        }
        Ok(())
    }

    /// The server has given a cookie of the same name, for a narrower path: one of both is enough, and its own is newer.
    pub(super) fn give_way(&self, agent: &Agent, uri: &Uri) {
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
    fn a_bare_session_gets_its_usual_name() {
        let of = |text| SessionCookies::parse(text).map(|cookies| cookies.0);
        assert_eq!(of("abc"), Ok(vec!["JSESSIONID=abc".to_owned()]));
        assert_eq!(of("S=a=b"), Ok(vec!["S=a=b".to_owned()]));
        assert_eq!(of("A=1;B=2"), Ok(vec!["A=1".to_owned(), "B=2".to_owned()]));
        for bad in ["", "=x", "a;b", "A=1;b", "a b", "a\r\nX: y", "ä"] {
            assert_eq!(of(bad), Err(InvalidCookie), "{bad:?}");
        }
        assert_eq!(of(&"a".repeat(LONGEST + 1)), Err(InvalidCookie));
    }
}
