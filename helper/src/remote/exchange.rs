//! Posts messages to one server, with the cookies of the session.

use std::time::Duration;

use countersign_client::{
    ConfigError,
    failure::{Failure, TlsFailure},
    proxy::Proxy,
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

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// Servers delay their answer while they have no commands. The known servers delay it by up to 30 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// A message of at most 65,535 bytes, and its header.
const MAX_ANSWER: u64 = 65_535 + 4;

/// A server's answer.
pub enum Reply {
    /// Instructions to carry out.
    Work(Request),
    /// The server has finished.
    Finished,
}

/// Why a session cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error("the connection to the server{} failed: {why}", through(.proxy.as_deref()))]
    Network {
        why: Failure,
        proxy: Option<Box<Proxy>>,
    },
    #[error("the TLS connection to the server failed: {why}. {advice}")]
    Tls { why: TlsFailure, advice: String },
    /// The server gave up or no longer knows the session.
    #[error("the server ended the session")]
    SessionEnded,
    #[error("the server reports a failure of its own (HTTP status {0}): try again later")]
    ServerFailure(StatusCode),
    #[error(
        "the server does not know this address: check its path, and the token if the path contains one"
    )]
    NotFound,
    /// Servers that use TLS answer this to an unencrypted request.
    #[error(
        "the server rejected the request (HTTP status 400): if it uses TLS, use an address that begins with https://"
    )]
    PossiblyTls,
    /// The address probably belongs to another service.
    #[error("unexpected answer from the server (HTTP status {0}): check the address")]
    Unexpected(StatusCode),
    /// The answer is not a RAMOverHTTP message.
    #[error(
        "unexpected answer from the server ({0}): check that this is the address of a RAMOverHTTP server"
    )]
    Message(#[from] MessageError),
}

fn through(proxy: Option<&Proxy>) -> String {
    proxy.map_or_else(String::new, |proxy| format!(" through the {proxy}"))
}

impl ExchangeError {
    /// Whether the server ended this session with its answer.
    pub const fn ends_session(&self) -> bool {
        match self {
            Self::SessionEnded | Self::NotFound | Self::PossiblyTls | Self::Unexpected(_) => true,
            Self::Network { .. } | Self::Tls { .. } | Self::ServerFailure(_) | Self::Message(_) => {
                false
            }
        }
    }

    /// Whether the address or the options are probably wrong, if this is the first attempt.
    pub const fn is_configuration_error(&self) -> bool {
        matches!(
            self,
            Self::Tls { .. }
                | Self::Network {
                    why: Failure::NoTls,
                    ..
                }
        )
    }

    /// Whether another attempt can succeed.
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Network { .. }
            | Self::Tls { .. }
            | Self::SessionEnded
            | Self::ServerFailure(_) => true,
            Self::NotFound | Self::PossiblyTls | Self::Unexpected(_) | Self::Message(_) => false,
        }
    }
}

/// The trusted certificate authorities and the proxy, which are determined once and used for every session.
#[derive(Clone)]
pub struct Trust {
    roots: Option<RootCerts>,
    proxy: Option<Proxy>,
    /// Advice on how to trust another authority.
    ca_advice: &'static str,
}

impl Trust {
    /// Trusts the system's authorities and those in `ca_file`.
    ///
    /// # Errors
    /// The file cannot be used, or the environment names an invalid proxy.
    pub fn load(address: &Address, ca_file: Option<&CaFile>) -> Result<Self, ConfigError> {
        let roots = if address.is_https() {
            Some(roots::load(ca_file)?)
        } else {
            roots::check(ca_file)?;
            None
        };
        let ca_advice = "name that CA's certificate with `--ca`";
        let proxy = if address.is_loopback() {
            None
        } else {
            Proxy::from_environment(address.uri())?
        };
        Ok(Self {
            roots,
            proxy,
            ca_advice,
        })
    }

    /// Trusts the system's authorities only, for sessions without a command line.
    ///
    /// # Errors
    /// The system's authorities cannot be loaded.
    pub fn load_system(address: &Address) -> Result<Self, ConfigError> {
        let ca_advice = "add that CA's certificate to those that this system trusts";
        Self::load(address, None).map(|trust| Self { ca_advice, ..trust })
    }
}

/// Posts to one server. Cookies are kept as long as this value.
pub struct Exchange {
    agent: Agent,
    address: Address,
    proxy: Option<Proxy>,
    cookies: Option<SessionCookies>,
    /// Advice on how to trust another authority.
    ca_advice: &'static str,
}

impl Exchange {
    pub fn new(address: &Address, trust: &Trust) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // A followed redirect would lose the message or send it to another server.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("countersign-helper/", env!("CARGO_PKG_VERSION")))
            .accept("*/*")
            .accept_encoding(AutoHeaderValue::None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_send_request(Some(SEND_TIMEOUT))
            .timeout_send_body(Some(SEND_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_recv_body(Some(ANSWER_TIMEOUT));
        if let Some(roots) = &trust.roots {
            config = config.tls_config(TlsConfig::builder().root_certs(roots.clone()).build());
        }
        let config = config.proxy(trust.proxy.as_ref().map(Proxy::connection));
        Self {
            agent: config.build().new_agent(),
            address: address.clone(),
            proxy: trust.proxy.clone(),
            cookies: None,
            ca_advice: trust.ca_advice,
        }
    }

    /// Makes the exchange part of a session that exists already.
    ///
    /// # Errors
    /// The cookies are not valid for this server.
    pub fn with_cookies(mut self, cookies: Option<&SessionCookies>) -> Result<Self, ExchangeError> {
        if let Some(cookies) = cookies {
            cookies
                .add_to(&self.agent, self.address.uri())
                .map_err(|error| self.failed(error))?;
            self.cookies = Some(cookies.clone());
        }
        Ok(self)
    }

    /// Posts a message and returns the answer.
    ///
    /// # Errors
    /// The connection fails, or the answer is not a message.
    pub fn post(&self, message: &[u8]) -> Result<Reply, ExchangeError> {
        let mut response = self
            .agent
            .post(self.address.uri())
            .header(header::CONTENT_TYPE, CLIENT_CONTENT_TYPE)
            .header(PROTOCOL_HEADER, PROTOCOL)
            .send(message)
            .map_err(|error| self.failed(error))?;
        if let Some(cookies) = &self.cookies {
            cookies.remove_replaced(&self.agent, self.address.uri());
        }
        match response.status() {
            StatusCode::OK => {
                let body = response
                    .body_mut()
                    .with_config()
                    .limit(MAX_ANSWER)
                    .read_to_vec()
                    .map_err(|error| self.failed(error))?;
                Ok(Reply::Work(Request::parse(&body)?))
            }
            StatusCode::NO_CONTENT => Ok(Reply::Finished),
            StatusCode::GATEWAY_TIMEOUT => Err(ExchangeError::SessionEnded),
            StatusCode::NOT_FOUND => Err(ExchangeError::NotFound),
            StatusCode::BAD_REQUEST if !self.address.is_https() => Err(ExchangeError::PossiblyTls),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(ExchangeError::ServerFailure(status))
            }
            status => Err(ExchangeError::Unexpected(status)),
        }
    }

    fn failed(&self, error: ureq::Error) -> ExchangeError {
        match error.into() {
            Failure::Tls(why) => ExchangeError::Tls {
                advice: why.advice(self.ca_advice),
                why,
            },
            why => ExchangeError::Network {
                why,
                proxy: self.proxy.clone().map(Box::new),
            },
        }
    }
}
