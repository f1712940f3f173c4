//! Listens on 127.0.0.1 and ::1, with a limit on connections.

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

/// The most open connections on both addresses together.
const MAX_CONNECTIONS: usize = 32;

/// The open listeners.
pub struct Loopback {
    v4: TcpListener,
    v6: Option<TcpListener>,
    /// The port of both listeners.
    pub port: u16,
}

/// Opens both loopback addresses, or only 127.0.0.1 on a machine without IPv6. Port 0 lets the system choose a port.
///
/// # Errors
/// The port on 127.0.0.1 cannot be opened, usually because another helper is running.
pub async fn bind(port: u16) -> io::Result<Loopback> {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = v4.local_addr()?.port();
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port))
        .await
        .inspect_err(|error| tracing::info!("could not listen on [::1]:{port}: {error}"))
        .ok();
    Ok(Loopback { v4, v6, port })
}

impl Loopback {
    /// The listeners, which share one limit.
    pub(crate) fn into_listeners(self) -> Vec<OwnConnections> {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        std::iter::once(self.v4)
            .chain(self.v6)
            .map(|listener| OwnConnections {
                listener,
                permits: permits.clone(),
            })
            .collect()
    }
}

/// A listener that accepts connections only from programs of the same user.
pub(crate) struct OwnConnections {
    listener: TcpListener,
    permits: Arc<Semaphore>,
}

impl axum::serve::Listener for OwnConnections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("could not accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let Ok(permit) = self.permits.clone().try_acquire_owned() else {
                tracing::warn!("rejected a connection: {MAX_CONNECTIONS} connections are open");
                continue;
            };
            let same_user = stream
                .local_addr()
                .is_ok_and(|local| peer::is_same_user(local, peer));
            if same_user {
                return (
                    Connection {
                        stream,
                        _permit: permit,
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

/// A connection that holds its permit until it is closed.
pub(crate) struct Connection {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
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
