//! The connection: authentication, time-outs, problem details.

use std::{sync::Arc, time::Duration};

use countersign_protocol::problem::Problem;
use serde::{Serialize, de::DeserializeOwned};
use ureq::{
    Agent, Body,
    http::{HeaderValue, Method, Request, Response, header, request::Builder},
    tls::TlsConfig,
};

use crate::{
    client_certificate::CertificateFiles,
    config::Settings,
    error::{ClientError, ConfigError},
    failure::Failure,
    retry::Retry,
    roots::{self, CaFile},
    token::Token,
    url::ServerUrl,
};

/// Sending a body; manifests have up to some megabytes.
const SEND: Duration = Duration::from_secs(120);
/// Reading the answer.
const RECEIVE: Duration = Duration::from_secs(120);
/// Longest answer, in bytes: a receipt with all its signatures.
const LONGEST_ANSWER: u64 = 128 * 1024 * 1024;

/// What can be chosen beside server and token.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// PEM file with certificate authorities that are trusted besides the system's.
    pub ca_file: Option<std::path::PathBuf>,
    /// The certificate by which the client shows who it is.
    pub client_certificate: Option<CertificateFiles>,
    /// Allow unencrypted connections to other machines.
    pub allow_plain_http: bool,
    /// Repetition of requests that may be repeated safely.
    pub retry: Retry,
    /// How long the server may take.
    pub timeouts: Timeouts,
}

/// How long the server may take before a request has failed.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the connection, TLS included.
    pub connect: Duration,
    /// From the request to the answer, unless a call takes longer by its nature. A card may be busy with others first.
    pub answer: Duration,
    /// A long poll is given up this long after the server should have answered.
    pub grace: Duration,
    /// For a signature, all tries together. Those of large RSA keys take seconds each, and others may be served first.
    pub signature: Duration,
}

/// How long one request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// From the request to the beginning of the answer, however long sending and receiving take.
    Answer(Duration),
    /// The same, for what is short: sending takes no longer, and receiving hardly any time.
    All(Duration),
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(120),
            grace: Duration::from_secs(20),
            signature: Duration::from_secs(180),
        }
    }
}

/// A blocking client. Cheap to clone; clones share connections and the session.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    retry: Retry,
    timeouts: Timeouts,
}

struct Shared {
    agent: Agent,
    server: ServerUrl,
    token: Option<Token>,
    /// Whether a client certificate is shown.
    certificate: bool,
}

impl Client {
    /// A client without a token: for what anybody may do, and, after [`Client::log_in`], with the session's cookie.
    ///
    /// # Errors
    /// [`ClientError::Config`]: the address cannot be used.
    pub fn anonymous(server_url: &str) -> Result<Self, ClientError> {
        Self::new(ServerUrl::parse(server_url)?, None, &Options::default())
    }

    /// A client that acts with an API token.
    ///
    /// # Errors
    /// [`ClientError::Config`]: the address cannot be used.
    pub fn with_token(server_url: &str, token: Token) -> Result<Self, ClientError> {
        Self::new(
            ServerUrl::parse(server_url)?,
            Some(token),
            &Options::default(),
        )
    }

    /// A client with the configured token, client certificate, or both.
    ///
    /// # Errors
    /// [`ClientError::Config`]: neither is configured, or something in the configuration cannot be used.
    pub fn from_settings(settings: Settings) -> Result<Self, ClientError> {
        let Settings {
            server,
            token,
            client_certificate,
            ca_file,
            allow_plain_http,
            config_file,
            ..
        } = settings;
        if token.is_none() && client_certificate.is_none() {
            return Err(ConfigError::NoToken { file: config_file }.into());
        }
        let options = Options {
            client_certificate,
            allow_plain_http,
            ..Options::default()
        };
        Self::build(server, token, &options, ca_file.as_ref())
    }

    /// A client with every choice.
    ///
    /// # Errors
    /// [`ClientError::Config`]: unencrypted address, or files that cannot be used.
    pub fn new(
        server: ServerUrl,
        token: Option<Token>,
        options: &Options,
    ) -> Result<Self, ClientError> {
        let ca_file = options.ca_file.clone().map(|path| CaFile {
            path,
            named_by: "the program",
        });
        Self::build(server, token, options, ca_file.as_ref())
    }

    fn build(
        server: ServerUrl,
        token: Option<Token>,
        options: &Options,
        ca_file: Option<&CaFile>,
    ) -> Result<Self, ClientError> {
        server.require_encryption(options.allow_plain_http)?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect is a wrong address; following it would send the token elsewhere.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .timeout_send_request(Some(SEND))
            .timeout_send_body(Some(SEND))
            .timeout_recv_body(Some(RECEIVE));
        if server.is_https() {
            let roots = roots::load(ca_file)?;
            let certificate = options.client_certificate.as_ref();
            let certificate = certificate.map(CertificateFiles::load).transpose()?;
            let tls = TlsConfig::builder()
                .root_certs(roots)
                .client_cert(certificate);
            config = config.tls_config(tls.build());
        } else if options.client_certificate.is_some() {
            return Err(ConfigError::ClientCertificateInTheClear {
                url: server.to_string(),
            }
            .into());
        } else {
            roots::check(ca_file)?;
        }
        if server.is_loopback() {
            config = config.proxy(None);
        }
        let agent = config.build().new_agent();
        Ok(Self {
            shared: Arc::new(Shared {
                agent,
                server,
                token,
                certificate: options.client_certificate.is_some(),
            }),
            retry: options.retry,
            timeouts: options.timeouts,
        })
    }

    /// The same client with other times.
    #[must_use]
    pub fn paced(&self, timeouts: Timeouts, retry: Retry) -> Self {
        Self {
            shared: self.shared.clone(),
            retry,
            timeouts,
        }
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
        limit: Limit,
    ) -> Result<Response<Body>, ureq::Error> {
        let request = self.shared.agent.configure_request(request);
        let request = request.timeout_connect(Some(self.timeouts.connect));
        let request = match limit {
            Limit::Answer(answer) => request.timeout_recv_response(Some(answer)),
            // No global time-out: for that, ureq resolves names in a thread, and PKCS#11 modules have none.
            Limit::All(all) => request
                .timeout_connect(Some(self.timeouts.connect.min(all)))
                .timeout_send_request(Some(all))
                .timeout_send_body(Some(all))
                .timeout_recv_response(Some(all))
                .timeout_recv_body(Some(self.timeouts.grace)),
        };
        self.shared.agent.run(request.build())
    }

    /// The server that is asked.
    pub fn server(&self) -> &ServerUrl {
        &self.shared.server
    }

    /// How long the server may take.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(crate) fn retry(&self) -> Retry {
        self.retry
    }

    /// GET; repeated after a broken connection, as it changes nothing.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get_within(path, self.timeouts().answer)
    }

    pub(crate) fn get_within<T: DeserializeOwned>(
        &self,
        path: &str,
        answer: Duration,
    ) -> Result<T, ClientError> {
        self.retry().run(
            // A silent server has had its time: repeating would multiply that.
            |error, _| {
                matches!(
                    error,
                    ClientError::Unreachable {
                        timed_out: false,
                        ..
                    }
                )
            },
            || {
                let request = self
                    .request(Method::GET, path)?
                    .body(())
                    .map_err(|e| self.bad_request(e))?;
                self.json(self.run(request, Limit::Answer(answer)))
                    .map(|(_, value)| value)
            },
        )
    }

    /// POST with a body.
    pub(crate) fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.post_with(path, body, &[], Limit::Answer(self.timeouts().answer))
            .map(|(_, value)| value)
    }

    /// POST without a body.
    pub(crate) fn post_empty<T: DeserializeOwned>(
        &self,
        path: &str,
        answer: Duration,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::POST, path)?;
        self.send(request, Vec::new(), Limit::Answer(answer))
            .map(|(_, value)| value)
    }

    /// POST with a body, further headers and a time of its own; tells the status.
    pub(crate) fn post_with<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        headers: &[(&'static str, &str)],
        limit: Limit,
    ) -> Result<(u16, T), ClientError> {
        let mut request = self
            .request(Method::POST, path)?
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = serde_json::to_vec(body).map_err(|e| self.bad_request(e))?;
        self.send(request, body, limit)
    }

    /// PUT, which is answered without a body.
    pub(crate) fn put<B: Serialize>(&self, path: &str, body: &B) -> Result<(), ClientError> {
        let body = serde_json::to_vec(body).map_err(|e| self.bad_request(e))?;
        let request = self
            .request(Method::PUT, path)?
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|e| self.bad_request(e))?;
        self.body(self.run(request, Limit::Answer(self.timeouts.answer)))
            .map(|_| ())
    }

    /// DELETE, which is answered without a body.
    pub(crate) fn delete(&self, path: &str) -> Result<(), ClientError> {
        let request = self
            .request(Method::DELETE, path)?
            .body(())
            .map_err(|e| self.bad_request(e))?;
        self.body(self.run(request, Limit::Answer(self.timeouts.answer)))
            .map(|_| ())
    }

    fn send<T: DeserializeOwned>(
        &self,
        request: Builder,
        body: Vec<u8>,
        limit: Limit,
    ) -> Result<(u16, T), ClientError> {
        let request = request.body(body).map_err(|e| self.bad_request(e))?;
        self.json(self.run(request, limit))
    }

    fn request(&self, method: Method, path: &str) -> Result<Builder, ClientError> {
        let changes = method != Method::GET;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", self.shared.server.origin()))
            .header(header::ACCEPT, "application/json, application/problem+json");
        match &self.shared.token {
            Some(token) => {
                let mut value = HeaderValue::from_str(&token.authorization())
                    .map_err(|e| self.bad_request(e))?;
                value.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, value);
            }
            // Whoever names an origin is taken for a browser's page, and those cannot use certificates.
            None if self.shared.certificate => {}
            // With a cookie, the server wants to see that the request comes from its own portal.
            None if changes => {
                request = request.header(header::ORIGIN, self.shared.server.origin())
            }
            None => {}
        }
        Ok(request)
    }

    fn json<T: DeserializeOwned>(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<(u16, T), ClientError> {
        let (status, body) = self.body(answer)?;
        let value = serde_json::from_slice(&body).map_err(|e| self.malformed(e.to_string()))?;
        Ok((status, value))
    }

    /// The body of a success; a problem for everything else.
    fn body(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let mut answer = answer.map_err(|error| self.failed(error))?;
        let status = answer.status();
        let body = answer
            .body_mut()
            .with_config()
            .limit(LONGEST_ANSWER)
            .read_to_vec()
            .map_err(|error| self.failed(error))?;
        if status.is_success() {
            return Ok((status.as_u16(), body));
        }
        if let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
            return Err(ClientError::Problem(problem));
        }
        Err(match status.as_u16() {
            // Not the server itself, but a proxy that cannot reach it.
            code @ (502..=504) => self.unreachable(format!("a proxy in between answered {code}")),
            code if status.is_redirection() => {
                self.malformed(format!("it redirects to another address (status {code})"))
            }
            400 if !self.shared.server.is_https() => self.malformed(
                "status 400 without problem details; perhaps it speaks TLS, and the address begins with https://",
            ),
            code => self.malformed(format!("status {code} without problem details")),
        })
    }

    fn failed(&self, error: ureq::Error) -> ClientError {
        match Failure::from(error) {
            Failure::Network(why) => self.unreachable(why),
            silence @ Failure::Silence(_) => ClientError::Unreachable {
                server: self.shared.server.to_string(),
                why: silence.to_string(),
                timed_out: true,
            },
            Failure::Tls(why) => ClientError::Tls {
                server: self.shared.server.to_string(),
                why,
            },
            other @ (Failure::NoTls | Failure::Other(_)) => self.malformed(other.to_string()),
        }
    }

    fn unreachable(&self, why: String) -> ClientError {
        ClientError::Unreachable {
            server: self.shared.server.to_string(),
            why,
            timed_out: false,
        }
    }

    pub(crate) fn malformed(&self, why: impl Into<String>) -> ClientError {
        ClientError::Malformed {
            server: self.shared.server.to_string(),
            why: why.into(),
        }
    }

    fn bad_request(&self, error: impl std::fmt::Display) -> ClientError {
        self.malformed(format!("the request cannot be made: {error}"))
    }
}
