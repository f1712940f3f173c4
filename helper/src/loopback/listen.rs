//! Listening on 127.0.0.1 and ::1, with a limit on connections.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::peer;

/// Open connections, both addresses together.
const MOST_CONNECTIONS: usize = 32;

/// The open listeners.
pub struct Loopback {
    v4: TcpListener,
    v6: Option<TcpListener>,
    /// The port of both.
    pub port: u16,
}

/// Opens both loopback addresses; 0 lets the system choose a port. Machines without IPv6 do with 127.0.0.1.
///
/// # Errors
/// 127.0.0.1 can't be listened on, usually since another helper is running.
pub async fn bind(port: u16) -> io::Result<Loopback> {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = v4.local_addr()?.port();
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port))
        .await
        .inspect_err(|error| tracing::info!("not listening on [::1]:{port}: {error}"))
        .ok();
    Ok(Loopback { v4, v6, port })
}

impl Loopback {
    /// The listeners, sharing one limit.
    pub(crate) fn into_guarded(self) -> Vec<Guarded> {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        std::iter::once(self.v4)
            .chain(self.v6)
            .map(|listener| Guarded {
                listener,
                places: places.clone(),
            })
            .collect()
    }
}

/// Accepts connections of this user's programs only.
pub(crate) struct Guarded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl axum::serve::Listener for Guarded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("accept: {error}");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let Ok(place) = self.places.clone().try_acquire_owned() else {
                tracing::warn!("refused: too many connections");
                continue;
            };
            let ours = stream
                .local_addr()
                .is_ok_and(|local| peer::is_ours(local, peer));
            if ours {
                return (
                    Connection {
                        stream,
                        _place: place,
                    },
                    peer,
                );
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that counts until it is closed.
pub(crate) struct Connection {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
