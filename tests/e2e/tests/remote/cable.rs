//! A cable that can be pulled: a TCP relay on loopback.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// A cable to a server.
pub struct Cable {
    /// Address at this end.
    pub address: SocketAddr,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    /// Lays a cable; it lasts as long as this process.
    pub fn to(server_port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let connections = Arc::<Mutex<Vec<TcpStream>>>::default();
        let kept = connections.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // A server that is away is part of some tests.
                let Ok(far) = TcpStream::connect(("127.0.0.1", server_port)) else {
                    continue;
                };
                relay(&near, &far, &kept);
                relay(&far, &near, &kept);
            }
        });
        Ok(Self {
            address,
            connections,
        })
    }

    /// Resets every connection, as a router does that has forgotten it.
    pub fn reset(&self) {
        let mut connections = self.connections.lock().expect("nobody panicked");
        for stream in connections.drain(..) {
            // Zero seconds: the end is a RST and no FIN.
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn relay(from: &TcpStream, to: &TcpStream, kept: &Mutex<Vec<TcpStream>>) {
    let (Ok(mut from), Ok(mut to), Ok(copy)) = (from.try_clone(), to.try_clone(), from.try_clone())
    else {
        return;
    };
    kept.lock().expect("nobody panicked").push(copy);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}
