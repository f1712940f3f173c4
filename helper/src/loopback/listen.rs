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
    sync::OwnedSemaphorePermit,
};

use super::{peer, places::Places};

/// The open listeners.
pub struct Loopback {
    v4: TcpListener,
    v6: Option<TcpListener>,
    /// The port of both listeners.
    pub port: u16,
    /// The places for connections on both addresses together.
    pub(super) places: Arc<Places>,
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
    Ok(Loopback {
        v4,
        v6,
        port,
        places: Arc::default(),
    })
}

impl Loopback {
    /// The listeners, which share one limit.
    pub(crate) fn into_listeners(self) -> Vec<OwnConnections> {
        let places = self.places;
        std::iter::once(self.v4)
            .chain(self.v6)
            .map(|listener| OwnConnections {
                listener,
                places: places.clone(),
                is_own: peer::is_same_user,
            })
            .collect()
    }
}

/// A listener that accepts connections only from programs of the same user.
pub(crate) struct OwnConnections {
    listener: TcpListener,
    places: Arc<Places>,
    /// Whether the peer, at the second address, belongs to the user of this process.
    is_own: fn(SocketAddr, SocketAddr) -> bool,
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
            let same_user = stream
                .local_addr()
                .is_ok_and(|local| (self.is_own)(local, peer));
            if !same_user {
                continue;
            }
            let Some(permit) = self.places.take().await else {
                tracing::warn!("rejected a connection: too many connections are open");
                continue;
            };
            return (
                Connection {
                    stream,
                    _permit: permit,
                },
                peer,
            );
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

#[cfg(test)]
mod tests {
    use axum::serve::Listener;
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn connections_of_other_users_are_closed() {
        let loopback = bind(0).await.unwrap();
        let address = loopback.v4.local_addr().unwrap();
        let mut listener = loopback.into_listeners().remove(0);
        listener.is_own = |_, _| false;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut byte = [0; 1];
        tokio::select! {
            _ = listener.accept() => panic!("the connection was accepted"),
            // The end of the stream or a reset.
            read = stream.read(&mut byte) => assert_eq!(read.unwrap_or(0), 0),
        }
    }

    #[test]
    fn the_owner_of_the_peer_is_checked() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let loopback = runtime.block_on(bind(0)).unwrap();
        for listener in runtime.block_on(async { loopback.into_listeners() }) {
            assert!(std::ptr::fn_addr_eq(
                listener.is_own,
                peer::is_same_user as fn(SocketAddr, SocketAddr) -> bool
            ));
        }
    }
}
