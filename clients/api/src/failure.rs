//! Why no answer came, in words.

/// What stood between request and answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection, or it broke.
    #[error("{0}")]
    Network(String),
    /// The server was silent for too long.
    #[error("no answer in time ({0})")]
    Silence(String),
    /// What answers is something else, such as plain HTTP.
    #[error("it does not speak TLS there; perhaps the address begins with http://")]
    NoTls,
    /// TLS was refused.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// Nothing that HTTP allows, or this client.
    #[error("{0}")]
    Other(String),
}

/// Why a TLS connection was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    /// The certificate's issuer is not known here.
    #[error("no authority that is trusted here has issued the server's certificate")]
    UnknownAuthority,
    /// The server shows a certificate that is for issuing others.
    #[error("the server's certificate is an authority's own (CA:TRUE)")]
    AuthorityItself,
    /// Anything else, in the library's words.
    #[error("{0}")]
    Other(String),
}

impl TlsFailure {
    /// What to do. `name_it`: how an authority's certificate is made known, as in "name its certificate with `--ca`".
    pub fn advice(&self, name_it: &str) -> String {
        match self {
            Self::UnknownAuthority => format!("If it comes from an own CA, {name_it}"),
            Self::AuthorityItself => {
                format!(
                    "Make one with basicConstraints CA:FALSE, or sign one with it; then {name_it}"
                )
            }
            Self::Other(_) => "Check the server's certificate, and the clocks".to_owned(),
        }
    }
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        use ureq::Error;
        match error {
            Error::Io(error) => of_io(&error),
            Error::Timeout(which) => Self::Silence(which.to_string()),
            Error::HostNotFound => Self::Network("there is no host of this name".to_owned()),
            Error::ConnectionFailed => Self::Network("the connection failed".to_owned()),
            Error::ConnectProxyFailed(why) => Self::Network(format!("the proxy failed: {why}")),
            // What a connection that breaks in the middle of an answer looks like.
            error @ Error::Protocol(_) => Self::Network(error.to_string()),
            Error::Rustls(error) => of_rustls(&error),
            error @ (Error::Tls(_) | Error::Pem(_)) => TlsFailure::Other(error.to_string()).into(),
            error => Self::Other(error.to_string()),
        }
    }
}

/// rustls reports what it refuses through the stream.
fn of_io(error: &std::io::Error) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(inner) => of_rustls(inner),
        None if error.kind() == std::io::ErrorKind::InvalidData => {
            TlsFailure::Other(error.to_string()).into()
        }
        None => Failure::Network(error.to_string()),
    }
}

fn of_rustls(error: &rustls::Error) -> Failure {
    use rustls::CertificateError::{BadSignature, Other, UnknownIssuer};
    match error {
        rustls::Error::InvalidMessage(_) => Failure::NoTls,
        // Another authority of the same name has signed it.
        rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) => {
            TlsFailure::UnknownAuthority.into()
        }
        rustls::Error::InvalidCertificate(Other(error))
            if matches!(
                error.0.downcast_ref(),
                Some(webpki::Error::CaUsedAsEndEntity)
            ) =>
        {
            TlsFailure::AuthorityItself.into()
        }
        error => TlsFailure::Other(error.to_string()).into(),
    }
}
