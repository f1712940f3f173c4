//! POSTs to one server, with the session's cookies.

use std::time::Duration;

use countersign_client::{
    ConfigError,
    failure::{Failure, TlsFailure},
    roots::{self, CaFile},
};
use countersign_ram::{
    MessageError, Request,
    http::{CLIENT_CONTENT_TYPE, PROTOCOL, PROTOCOL_HEADER},
};
use ureq::{
    Agent,
    config::AutoHeaderValue,
    http::{StatusCode, header},
    tls::{RootCerts, TlsConfig},
};

use super::{address::Address, cookie::SessionCookies};

const CONNECT: Duration = Duration::from_secs(10);
const SEND: Duration = Duration::from_secs(60);
/// Servers hold a POST while there is nothing to do: up to 30 s among those that are known.
const ANSWER: Duration = Duration::from_secs(90);
/// A message has at most 65,535 bytes and a header.
const LONGEST_ANSWER: u64 = 65_535 + 4;

/// What a server answered.
pub enum Reply {
    /// Something to do.
    Work(Request),
    /// The server has finished.
    Finished,
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The way to the server.
    #[error("the connection to the server failed: {0}")]
    Network(Failure),
    /// The server's certificate is not accepted, or TLS fails otherwise.
    #[error("the TLS connection to the server failed: {why}. {advice}")]
    Tls {
        /// What is wrong.
        why: TlsFailure,
        /// What to do.
        advice: String,
    },
    /// The server gave up, or has forgotten the session.
    #[error("the server ended the connection")]
    Gone,
    /// The server has trouble of its own.
    #[error("the server answered with status {0}")]
    Trouble(StatusCode),
    /// No such address there.
    #[error(
        "the server knows no such address: check the path behind its name (and the token in it, where it wants one)"
    )]
    NotFound,
    /// What servers that speak TLS answer to who does not.
    #[error(
        "the server answered with status 400: perhaps it speaks TLS, and the address begins with https://"
    )]
    PerhapsTls,
    /// The address leads elsewhere.
    #[error(
        "the server answered with status {0}, which this protocol does not know: check the address"
    )]
    Unexpected(StatusCode),
    /// Not this protocol.
    #[error(
        "the server's answer is not understood ({0}): is this the address of a RAMOverHTTP server?"
    )]
    Message(#[from] MessageError),
}

impl ExchangeError {
    /// Whether the server said that this session is over.
    pub const fn ends_session(&self) -> bool {
        match self {
            Self::Gone | Self::NotFound | Self::PerhapsTls | Self::Unexpected(_) => true,
            Self::Network(_) | Self::Tls { .. } | Self::Trouble(_) | Self::Message(_) => false,
        }
    }

    /// Whether it is a mistake in the address or the options, if no try went further before.
    pub const fn is_of_setup(&self) -> bool {
        matches!(self, Self::Tls { .. } | Self::Network(Failure::NoTls))
    }

    /// Whether it may be better the next time.
    pub const fn passes(&self) -> bool {
        match self {
            Self::Network(_) | Self::Tls { .. } | Self::Gone | Self::Trouble(_) => true,
            Self::NotFound | Self::PerhapsTls | Self::Unexpected(_) | Self::Message(_) => false,
        }
    }
}

/// Whom to trust: read once, used for every session.
#[derive(Clone)]
pub struct Trust {
    roots: Option<RootCerts>,
    /// How one more authority is made known.
    more: &'static str,
}

impl Trust {
    /// The system's authorities, and those of `ca_file`.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn load(address: &Address, ca_file: Option<&CaFile>) -> Result<Self, ConfigError> {
        let roots = if address.is_https() {
            Some(roots::load(ca_file)?)
        } else {
            roots::check(ca_file)?;
            None
        };
        let more = "name that CA's certificate with `--ca`";
        Ok(Self { roots, more })
    }

    /// The system's authorities, where nobody can name another one.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of_system(address: &Address) -> Result<Self, ConfigError> {
        let more = "add that CA's certificate to those that this system trusts";
        Self::load(address, None).map(|trust| Self { more, ..trust })
    }
}

/// POSTs to one server; cookies are kept as long as this.
pub struct Exchange {
    agent: Agent,
    address: Address,
    cookies: Option<SessionCookies>,
    /// How one more authority is made known.
    more: &'static str,
}

impl Exchange {
    /// Nothing was posted yet.
    pub fn new(address: &Address, trust: &Trust) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Following one would lose the message, or give it to somebody else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("countersign-helper/", env!("CARGO_PKG_VERSION")))
            .accept("*/*")
            .accept_encoding(AutoHeaderValue::None)
            .timeout_connect(Some(CONNECT))
            .timeout_send_request(Some(SEND))
            .timeout_send_body(Some(SEND))
            .timeout_recv_response(Some(ANSWER))
            .timeout_recv_body(Some(ANSWER));
        if let Some(roots) = &trust.roots {
            config = config.tls_config(TlsConfig::builder().root_certs(roots.clone()).build());
        }
        if address.is_loopback() {
            config = config.proxy(None);
        }
        Self {
            agent: config.build().new_agent(),
            address: address.clone(),
            cookies: None,
            more: trust.more,
        }
    }

    /// As a part of a session that exists already.
    ///
    /// # Errors
    /// They are no cookies for this server.
    pub fn with_cookies(mut self, cookies: Option<&SessionCookies>) -> Result<Self, ExchangeError> {
        if let Some(cookies) = cookies {
            cookies
                .send_to(&self.agent, self.address.uri())
                .map_err(|error| self.failed(error))?;
            self.cookies = Some(cookies.clone());
        }
        Ok(self)
    }

    /// Posts a message.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub fn post(&self, message: &[u8]) -> Result<Reply, ExchangeError> {
        let mut response = self
            .agent
            .post(self.address.uri())
            .header(header::CONTENT_TYPE, CLIENT_CONTENT_TYPE)
            .header(PROTOCOL_HEADER, PROTOCOL)
            .send(message)
            .map_err(|error| self.failed(error))?;
        if let Some(cookies) = &self.cookies {
            cookies.give_way(&self.agent, self.address.uri());
        }
        match response.status() {
            StatusCode::OK => {
                let body = response
                    .body_mut()
                    .with_config()
                    .limit(LONGEST_ANSWER)
                    .read_to_vec()
                    .map_err(|error| self.failed(error))?;
                Ok(Reply::Work(Request::parse(&body)?))
            }
            StatusCode::NO_CONTENT => Ok(Reply::Finished),
            StatusCode::GATEWAY_TIMEOUT => Err(ExchangeError::Gone),
            StatusCode::NOT_FOUND => Err(ExchangeError::NotFound),
            StatusCode::BAD_REQUEST if !self.address.is_https() => Err(ExchangeError::PerhapsTls),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(ExchangeError::Trouble(status))
            }
            status => Err(ExchangeError::Unexpected(status)),
        }
    }

    fn failed(&self, error: ureq::Error) -> ExchangeError {
        match error.into() {
            Failure::Tls(why) => ExchangeError::Tls {
                advice: why.advice(self.more),
                why,
            },
            other => ExchangeError::Network(other),
        }
    }
}
