//! Accepts connections and hands them over once their TLS handshake is complete.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{ClientCertificate, Reload, TlsError, certificate};
use crate::config::{Files, TlsConfig};

/// The response to a plain HTTP request, so that its sender sees what is wrong.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This server speaks TLS. Use an address that begins with https://\n";

/// Limits for TLS handshakes.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeLimits {
    /// How long one handshake may take.
    pub handshake: Duration,
    /// How many handshakes may run at the same time; beyond that, the oldest is aborted.
    pub most: usize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            most: 256,
        }
    }
}

pub struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(Stream, SocketAddr)>,
    accepting: JoinHandle<()>,
}

impl TlsListener {
    /// Accepts TLS connections on `tcp`. The returned [`Reload`] replaces the certificate later.
    ///
    /// # Errors
    /// The certificate or its key cannot be used.
    pub fn new(
        tcp: TcpListener,
        files: &Files,
        config: &TlsConfig,
        limits: HandshakeLimits,
    ) -> Result<(Self, Reload), TlsError> {
        let unusable = |why: String| TlsError::Unusable {
            certificate: files.certificate.clone(),
            why,
        };
        let reload = Reload::begin(files)?;
        let tls = certificate::server_config(config, reload.current())
            .map_err(|error| unusable(error.to_string()))?;
        let address = tcp
            .local_addr()
            .map_err(|error| unusable(error.to_string()))?;
        let (done, ready) = mpsc::channel(16);
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let accepting = tokio::spawn(accept(tcp, acceptor, limits, done));
        let listener = Self {
            address,
            ready,
            accepting,
        };
        Ok((listener, reload))
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listener for TlsListener {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // The accepting task runs as long as this listener exists.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Each handshake runs in its own task, so that a slow client does not delay the others.
async fn accept(
    mut tcp: TcpListener,
    acceptor: TlsAcceptor,
    limits: HandshakeLimits,
    done: mpsc::Sender<(Stream, SocketAddr)>,
) {
    let mut under_way: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let (stream, address) = Listener::accept(&mut tcp).await;
        let (acceptor, done) = (acceptor.clone(), done.clone());
        let task = tokio::spawn(async move {
            match timeout(limits.handshake, handshake(&acceptor, stream)).await {
                Ok(Ok(stream)) => {
                    let _ = done.send((stream, address)).await;
                }
                Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%address, "a TLS handshake timed out"),
            }
        });
        under_way.retain(|task| !task.is_finished());
        under_way.push_back(task.abort_handle());
        if under_way.len() > limits.most
            && let Some(oldest) = under_way.pop_front()
        {
            oldest.abort();
        }
    }
}

async fn handshake(acceptor: &TlsAcceptor, mut stream: TcpStream) -> io::Result<Stream> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
        stream.write_all(PLAIN).await?;
        stream.shutdown().await?;
        // If the connection closed with the request unread, the response could be lost.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
        return Err(io::Error::other("the client sent plain HTTP"));
    }
    // Handshakes and short responses must not wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    let stream = acceptor.accept(stream).await?;
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
