//! Serves connections. Their number is limited, and so is the time of every step that waits for the client.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
    serve::Listener,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use super::{
    Peer,
    places::{GivesWay, Place, PlaceLimits, Places},
};
use crate::{config::TrustedProxies, tls::Handshakes};

/// Largest head of a request, in bytes.
const HEAD: usize = 64 * 1024;

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    pub places: PlaceLimits,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long a client may take to send the head of a request, and how long a connection may be idle.
    pub head: Duration,
    /// The same for trusted proxies, which keep connections for their next client. It is longer than the usual 60 s of proxies,
    /// because a proxy that sends a request at the moment at which the server closes the connection reports a failure.
    pub head_of_proxy: Duration,
    /// How long a client may take to receive any part of a response.
    pub write: Duration,
}

impl ConnectionLimits {
    /// The limits for this process.
    pub fn of_this_process() -> Self {
        Self {
            places: PlaceLimits::of_this_process(),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(20),
            head_of_proxy: Duration::from_secs(90),
            write: Duration::from_secs(60),
        }
    }
}

/// Serves a router.
pub struct Connections {
    router: Router,
    tls: Option<Handshakes>,
    proxies: TrustedProxies,
    limits: ConnectionLimits,
}

impl Connections {
    /// Serves this router, without TLS.
    pub fn new(router: Router, proxies: TrustedProxies, limits: ConnectionLimits) -> Self {
        Self {
            router,
            tls: None,
            proxies,
            limits,
        }
    }

    /// Serves over TLS.
    #[must_use]
    pub fn with_tls(self, handshakes: Option<Handshakes>) -> Self {
        Self {
            tls: handshakes,
            ..self
        }
    }

    /// Accepts connections until `stop` completes, and returns when the requests that then run have ended.
    pub async fn serve(self, mut tcp: TcpListener, stop: impl Future<Output = ()>) {
        let places = Places::new(self.limits.places);
        let this = Arc::new(self);
        let (stopping, stopped) = watch::channel(());
        let mut open = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                (stream, address) = Listener::accept(&mut tcp) => {
                    let (place, gives_way) = places.take(address.ip().into());
                    let connection = this.clone().serve_one(stream, address, place, stopped.clone());
                    open.spawn(until_it_gives_way(connection, gives_way));
                }
                Some(_) = open.join_next() => {}
            }
        }
        drop((tcp, stopping));
        while open.join_next().await.is_some() {}
    }

    async fn serve_one(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        place: Place,
        stopped: watch::Receiver<()>,
    ) {
        let of_proxy = self.proxies.trusts(address.ip());
        if of_proxy {
            // Its limits are those of its clients.
            place.keep();
        }
        // Short responses must not wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        let peer = Peer::new(address).at(place);
        let served = match &self.tls {
            None => self.serve_http(stream, peer, of_proxy, stopped).await,
            Some(tls) => match timeout(self.limits.handshake, tls.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let peer = peer.with_certificate(stream.certificate());
                    self.serve_http(stream, peer, of_proxy, stopped).await
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            },
        };
        if let Err(error) = served {
            tracing::debug!(%address, %error, "a connection failed");
        }
    }

    async fn serve_http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        peer: Peer,
        of_proxy: bool,
        mut stopped: watch::Receiver<()>,
    ) -> io::Result<()> {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.write));
        let router = &self.router;
        let service = service_fn(move |request: Request<Incoming>| {
            let (router, peer) = (router.clone(), peer.clone());
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                let response: Result<Response, Infallible> = router.oneshot(request).await;
                response
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(if of_proxy {
                self.limits.head_of_proxy
            } else {
                self.limits.head
            })
            .max_buf_size(HEAD)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            served = connection.as_mut() => served,
            // The sender was dropped, because the server stops.
            _ = stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
        .map_err(io::Error::other)
    }
}

async fn until_it_gives_way(connection: impl Future<Output = ()>, gives_way: GivesWay) {
    tokio::select! {
        () = connection => {}
        _ = gives_way => {}
    }
}
