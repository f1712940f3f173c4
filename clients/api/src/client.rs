//! HTTP requests: authentication, time limits, problem details.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_protocol::problem::Problem;
use serde::{Serialize, de::DeserializeOwned};
use ureq::{
    Agent, Body,
    http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Builder},
    tls::TlsConfig,
    unversioned::{
        resolver::DefaultResolver,
        transport::{
            ConnectProxyConnector, Connector, RustlsConnector, SocksConnector, TcpConnector,
        },
    },
};

use crate::{
    client_certificate::CertificateFiles,
    config::Settings,
    error::{ClientError, ConfigError},
    failure::Failure,
    proxy::Proxy,
    retry::Retry,
    roots::{self, CaFile},
    silence::{self, Listener, REPORT_AFTER, SilenceConnector, Watch},
    token::Token,
    url::ServerUrl,
};

/// Time limit for sending a request body. Manifests can have several megabytes.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// Time limit for receiving a response body. Lists of many signatures have megabytes too.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(120);
/// Limit of a response body, in bytes. The longest response is a receipt with all its signatures.
const MAX_RESPONSE_LENGTH: u64 = 128 * 1024 * 1024;

/// Options of a client, in addition to server and token.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// PEM file with certificate authorities to trust in addition to the system's.
    pub ca_file: Option<std::path::PathBuf>,
    pub client_certificate: Option<CertificateFiles>,
    /// Allow unencrypted connections to other machines.
    pub allow_plain_http: bool,
    /// Retries of idempotent requests.
    pub retry: Retry,
    pub timeouts: Timeouts,
}

/// Time limits, after which a request has failed.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For opening the connection, including the TLS handshake.
    pub connect: Duration,
    /// From the request to the response.
    pub response: Duration,
    /// The same for calls that wait for an HSM, which may be busy with other requests first.
    pub hsm: Duration,
    /// How much longer than the server's own limit the client waits for the response of a long poll.
    pub grace: Duration,
    /// For one signature, including all retries. A signature of a large RSA key takes seconds, and other requests may
    /// be served first.
    pub signature: Duration,
}

/// The time limit of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// From the request to the beginning of the response. Sending and receiving have limits of their own.
    Response(Duration),
    /// For a request that the server holds for this time if there is no news.
    LongPoll(Duration),
    /// The same for short requests and responses, where sending has the same limit and receiving takes hardly any time.
    All(Duration),
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(30),
            hsm: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            signature: Duration::from_secs(180),
        }
    }
}

/// A blocking client. It is cheap to clone, and clones share connections and the session.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    retry: Retry,
    timeouts: Timeouts,
    /// When every call fails at the latest.
    until: Option<Instant>,
    on_silence: Option<Listener>,
}

struct Shared {
    agent: Agent,
    server: ServerUrl,
    proxy: Option<Proxy>,
    token: Option<Token>,
    has_client_certificate: bool,
}

impl Client {
    /// Creates a client without a token, for public calls and for calls with the session cookie after
    /// [`Client::log_in`].
    ///
    /// # Errors
    /// The address is invalid.
    pub fn anonymous(server_url: &str) -> Result<Self, ClientError> {
        Self::new(ServerUrl::parse(server_url)?, None, &Options::default())
    }

    /// Creates a client with an API token.
    ///
    /// # Errors
    /// The address is invalid.
    pub fn with_token(server_url: &str, token: Token) -> Result<Self, ClientError> {
        Self::new(
            ServerUrl::parse(server_url)?,
            Some(token),
            &Options::default(),
        )
    }

    /// Creates a client with the configured token, client certificate, or both.
    ///
    /// # Errors
    /// Neither is configured, or the configuration is invalid.
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

    /// Creates a client with the given options.
    ///
    /// # Errors
    /// The connection would not be encrypted, or one of the files is unreadable or invalid.
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
            // A redirect means that the address is wrong, and following it would send the token to another server.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .timeout_send_request(Some(SEND_TIMEOUT))
            .timeout_send_body(Some(SEND_TIMEOUT))
            .timeout_recv_body(Some(RECEIVE_TIMEOUT));
        if server.is_https() {
            let roots = roots::load(ca_file)?;
            let certificate = options.client_certificate.as_ref();
            let certificate = certificate.map(CertificateFiles::load).transpose()?;
            let tls = TlsConfig::builder()
                .root_certs(roots)
                .client_cert(certificate);
            config = config.tls_config(tls.build());
        } else if options.client_certificate.is_some() {
            return Err(ConfigError::ClientCertificateWithoutTls {
                url: server.to_string(),
            }
            .into());
        } else {
            roots::check(ca_file)?;
        }
        let proxy = server.proxy()?;
        let config = config.proxy(proxy.as_ref().map(Proxy::connection));
        let connector =
            ().chain(SocksConnector::default())
                .chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(SilenceConnector)
                .chain(RustlsConnector::default());
        let agent = Agent::with_parts(config.build(), connector, DefaultResolver::default());
        Ok(Self {
            shared: Arc::new(Shared {
                agent,
                server,
                proxy,
                token,
                has_client_certificate: options.client_certificate.is_some(),
            }),
            retry: options.retry,
            timeouts: options.timeouts,
            until: None,
            on_silence: None,
        })
    }

    /// Returns a clone with other time limits and retries.
    #[must_use]
    pub fn with_timeouts(&self, timeouts: Timeouts, retry: Retry) -> Self {
        Self {
            retry,
            timeouts,
            ..self.clone()
        }
    }

    /// Returns a clone whose calls share this time limit, which begins now.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self {
            until: Some(Instant::now() + limit),
            ..self.clone()
        }
    }

    /// Calls `listener` in calls whose response takes longer than a few seconds. A long poll begins to count when the
    /// server should have answered.
    #[must_use]
    pub fn on_silence(self, listener: Listener) -> Self {
        Self {
            on_silence: Some(listener),
            ..self
        }
    }

    /// The server, with the proxy in front of it.
    fn server_name(&self) -> String {
        match &self.shared.proxy {
            Some(proxy) => format!("{} through the {proxy}", self.shared.server),
            None => self.shared.server.to_string(),
        }
    }

    /// Sends a request and receives its whole response.
    fn run<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
        limit: Limit,
    ) -> Result<(StatusCode, Vec<u8>), ureq::Error> {
        let quiet = match limit {
            Limit::LongPoll(wait) => wait + REPORT_AFTER,
            Limit::Response(_) | Limit::All(_) => REPORT_AFTER,
        };
        let watch = Watch {
            report_at: Some(Instant::now() + quiet),
            until: self.until,
            server: self.server_name(),
            listener: self.on_silence.clone(),
        };
        silence::watched(watch, || {
            let mut response = self.send_within(request, limit)?;
            let status = response.status();
            let body = response
                .body_mut()
                .with_config()
                .limit(MAX_RESPONSE_LENGTH)
                .read_to_vec()?;
            Ok((status, body))
        })
    }

    fn send_within<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
        limit: Limit,
    ) -> Result<Response<Body>, ureq::Error> {
        let mut connect = self.timeouts.connect;
        if let Some(until) = self.until {
            connect = connect.min(until.saturating_duration_since(Instant::now()));
            if connect.is_zero() {
                return Err(ureq::Error::Timeout(ureq::Timeout::Connect));
            }
        }
        let request = self.shared.agent.configure_request(request);
        let request = request.timeout_connect(Some(connect));
        let request = match limit {
            Limit::Response(limit) => request.timeout_recv_response(Some(limit)),
            Limit::LongPoll(wait) => {
                request.timeout_recv_response(Some(wait + self.timeouts.grace))
            }
            // ureq's global time limit is not used, because ureq would resolve names in a thread then, and the PKCS#11
            // module must not start threads.
            Limit::All(limit) => request
                .timeout_connect(Some(connect.min(limit)))
                .timeout_send_request(Some(limit))
                .timeout_send_body(Some(limit))
                .timeout_recv_response(Some(limit))
                .timeout_recv_body(Some(self.timeouts.grace)),
        };
        self.shared.agent.run(request.build())
    }

    pub fn server(&self) -> &ServerUrl {
        &self.shared.server
    }

    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(crate) fn retry(&self) -> Retry {
        self.retry
    }

    /// Sends a GET request, and retries it after a broken connection, because it changes nothing.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get_within(path, Limit::Response(self.timeouts().response))
    }

    pub(crate) fn get_within<T: DeserializeOwned>(
        &self,
        path: &str,
        limit: Limit,
    ) -> Result<T, ClientError> {
        self.retry().run(
            // A request that timed out is not retried, because that would multiply the time limit.
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
                self.json(self.run(request, limit)).map(|(_, value)| value)
            },
        )
    }

    pub(crate) fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.post_with(path, body, &[], Limit::Response(self.timeouts().response))
            .map(|(_, value)| value)
    }

    pub(crate) fn post_empty<T: DeserializeOwned>(
        &self,
        path: &str,
        limit: Duration,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::POST, path)?;
        self.send(request, Vec::new(), Limit::Response(limit))
            .map(|(_, value)| value)
    }

    /// Sends a POST request with additional headers and a time limit of its own. Returns the HTTP status too.
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

    /// Sends a PUT request, whose response has no body.
    pub(crate) fn put<B: Serialize>(&self, path: &str, body: &B) -> Result<(), ClientError> {
        let body = serde_json::to_vec(body).map_err(|e| self.bad_request(e))?;
        let request = self
            .request(Method::PUT, path)?
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|e| self.bad_request(e))?;
        self.body(self.run(request, Limit::Response(self.timeouts.response)))
            .map(|_| ())
    }

    /// Sends a DELETE request, whose response has no body.
    pub(crate) fn delete(&self, path: &str) -> Result<(), ClientError> {
        let request = self
            .request(Method::DELETE, path)?
            .body(())
            .map_err(|e| self.bad_request(e))?;
        self.body(self.run(request, Limit::Response(self.timeouts.response)))
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
            // A request with an Origin header counts as one of a browser, for which the server accepts no certificate.
            None if self.shared.has_client_certificate => {}
            // With a session cookie, the server accepts changes only from the origin of its own portal.
            None if changes => {
                request = request.header(header::ORIGIN, self.shared.server.origin())
            }
            None => {}
        }
        Ok(request)
    }

    fn json<T: DeserializeOwned>(
        &self,
        response: Result<(StatusCode, Vec<u8>), ureq::Error>,
    ) -> Result<(u16, T), ClientError> {
        let (status, body) = self.body(response)?;
        let value = serde_json::from_slice(&body).map_err(|e| self.malformed(e.to_string()))?;
        Ok((status, value))
    }

    /// Returns status and body of a successful response, and an error for every other one.
    fn body(
        &self,
        response: Result<(StatusCode, Vec<u8>), ureq::Error>,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let (status, body) = response.map_err(|error| self.failed(error))?;
        if status.is_success() {
            return Ok((status.as_u16(), body));
        }
        if let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
            return Err(ClientError::Problem(problem));
        }
        Err(match status.as_u16() {
            // These are the answers of a proxy that cannot reach the server.
            code @ (502..=504) => {
                self.unreachable(format!("a proxy cannot reach it (HTTP status {code})"))
            }
            code if status.is_redirection() => self.malformed(format!(
                "a redirect to another address (HTTP status {code})"
            )),
            400 if !self.shared.server.is_https() => self.malformed(
                "HTTP status 400 without problem details; if the server speaks TLS, use an address that begins with https://",
            ),
            code => self.malformed(format!("HTTP status {code} without problem details")),
        })
    }

    fn failed(&self, error: ureq::Error) -> ClientError {
        match Failure::from(error) {
            Failure::Network(why) => self.unreachable(why),
            timeout @ Failure::Timeout(_) => self.no_connection(timeout.to_string(), true),
            Failure::Tls(why) => ClientError::Tls {
                server: self.shared.server.to_string(),
                why,
            },
            other @ (Failure::NoTls | Failure::Other(_)) => self.malformed(other.to_string()),
        }
    }

    fn unreachable(&self, why: String) -> ClientError {
        self.no_connection(why, false)
    }

    fn no_connection(&self, why: String, timed_out: bool) -> ClientError {
        ClientError::Unreachable {
            server: self.server_name(),
            why,
            proxy: self.shared.proxy.as_ref().map(Proxy::variable),
            timed_out,
        }
    }

    pub(crate) fn malformed(&self, why: impl Into<String>) -> ClientError {
        ClientError::Malformed {
            server: self.shared.server.to_string(),
            why: why.into(),
        }
    }

    fn bad_request(&self, error: impl std::fmt::Display) -> ClientError {
        self.malformed(format!("the request cannot be built ({error})"))
    }
}
