//! The browser that logs in, and the change of its cookie.

use std::convert::Infallible;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponseParts, ResponseParts},
};

use super::{Authenticator, browser, cookie};
use crate::{
    http::{self, problem::ApiError},
    people::{Browser, NewSecret},
};

/// The browser of a request.
pub struct Arriving {
    pub browser: Browser,
    https: bool,
}

impl FromRequestParts<http::State> for Arriving {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &http::State,
    ) -> Result<Self, Infallible> {
        let https = Authenticator::from_ref(state).is_https();
        Ok(Self {
            browser: Browser {
                address: browser::address(&parts.extensions),
                name: browser::name(&parts.headers),
                earlier: cookie::secret(&parts.headers, https),
            },
            https,
        })
    }
}

impl Arriving {
    /// Gives the browser the secret of its session.
    ///
    /// # Errors
    /// The header cannot be made.
    pub fn log_in(&self, secret: &NewSecret) -> Result<CookieChange, ApiError> {
        cookie::set(secret, self.https).map(CookieChange)
    }

    /// Deletes the browser's cookie.
    ///
    /// # Errors
    /// The header cannot be made.
    pub fn log_out(&self) -> Result<CookieChange, ApiError> {
        cookie::delete(self.https).map(CookieChange)
    }
}

/// The part of a response that changes the session cookie.
pub struct CookieChange(HeaderValue);

impl IntoResponseParts for CookieChange {
    type Error = Infallible;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, Infallible> {
        response.headers_mut().append(header::SET_COOKIE, self.0);
        Ok(response)
    }
}
