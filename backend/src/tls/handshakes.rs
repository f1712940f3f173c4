//! The TLS handshake of a connection.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{ClientCertificate, Reload, TlsError, certificate};
use crate::config::{Files, TlsConfig};

/// The response to a plain HTTP request, so that its sender sees what is wrong.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This server speaks TLS. Use an address that begins with https://\n";

/// Does the handshakes of the server's own TLS.
#[derive(Clone)]
pub struct Handshakes(TlsAcceptor);

impl Handshakes {
    /// Reads the certificate and its key. The returned [`Reload`] replaces them later.
    ///
    /// # Errors
    /// The certificate or its key cannot be used.
    pub fn new(files: &Files, config: &TlsConfig) -> Result<(Self, Reload), TlsError> {
        let reload = Reload::begin(files)?;
        let tls = certificate::server_config(config, reload.current()).map_err(|error| {
            TlsError::Unusable {
                certificate: files.certificate.clone(),
                why: error.to_string(),
            }
        })?;
        Ok((Self(TlsAcceptor::from(Arc::new(tls))), reload))
    }

    /// Does the handshake of one connection. The caller limits its time.
    ///
    /// # Errors
    /// The handshake failed, or the client sent plain HTTP, which is answered.
    pub async fn accept(&self, mut stream: TcpStream) -> io::Result<Stream> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
            stream.write_all(PLAIN).await?;
            stream.shutdown().await?;
            // If the connection closed with the request unread, the response could be lost.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
            return Err(io::Error::other("the client sent plain HTTP"));
        }
        let stream = self.0.accept(stream).await?;
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(<[_]>::first)
            .map(|der| ClientCertificate::from_der(der))
            .transpose()
            .inspect_err(|why| tracing::warn!(%why, "a client certificate was rejected"))
            .unwrap_or_default()
            .map(Arc::new);
        Ok(Stream {
            inner: Box::new(stream),
            certificate,
        })
    }
}

/// A connection after its handshake.
pub struct Stream {
    inner: Box<TlsStream<TcpStream>>,
    certificate: Option<Arc<ClientCertificate>>,
}

impl Stream {
    /// The certificate whose private key the client proved in the handshake.
    pub fn certificate(&self) -> Option<Arc<ClientCertificate>> {
        self.certificate.clone()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
