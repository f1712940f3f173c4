//! Transport failures, sorted by what a user can do about them.

/// Why there was no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The connection could not be opened, or it broke.
    #[error("{0}")]
    Network(String),
    #[error("no response in time ({0})")]
    Timeout(String),
    /// The other side answers in plain HTTP or another protocol.
    #[error("the server does not speak TLS; perhaps the address must begin with http://")]
    NoTls,
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// The request or the response is not valid HTTP, or exceeds a limit of this client.
    #[error("{0}")]
    Other(String),
}

/// Why a TLS handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    #[error("the server's certificate was not issued by a trusted authority")]
    UnknownAuthority,
    /// The server presents a CA certificate as its own.
    #[error("the server's certificate is a CA certificate (CA:TRUE)")]
    AuthorityItself,
    /// Any other failure, with the message of the TLS library.
    #[error("{0}")]
    Other(String),
}

impl TlsFailure {
    /// The next step, as a sentence. `name_it` tells how a CA's certificate is made known, such as "name its
    /// certificate with `--ca`".
    pub fn advice(&self, name_it: &str) -> String {
        match self {
            Self::UnknownAuthority => format!("If it was issued by your own CA, {name_it}"),
            Self::AuthorityItself => format!(
                "Create a certificate with basicConstraints CA:FALSE, or issue one with this CA. Then {name_it}"
            ),
            Self::Other(_) => {
                "Check the server's certificate and the clocks of both machines".to_owned()
            }
        }
    }
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        use ureq::Error;
        match error {
            Error::Io(error) => of_io(&error),
            Error::Timeout(which) => Self::Timeout(which.to_string()),
            Error::HostNotFound => Self::Network("the host name does not exist".to_owned()),
            Error::ConnectionFailed => Self::Network("the connection failed".to_owned()),
            Error::ConnectProxyFailed(why) => Self::Network(format!("the proxy failed: {why}")),
            // ureq reports a connection that breaks in the middle of a response as a protocol error.
            error @ Error::Protocol(_) => Self::Network(error.to_string()),
            Error::Rustls(error) => of_rustls(&error),
            error @ (Error::Tls(_) | Error::Pem(_)) => TlsFailure::Other(error.to_string()).into(),
            error => Self::Other(error.to_string()),
        }
    }
}

/// rustls reports certificates that it rejects as an I/O error of the stream.
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
        // The signature is wrong if another authority with the same name issued the certificate.
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
