//! A TCP relay on loopback whose connections can be reset, like a cable that is pulled.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

pub struct Cable {
    /// Address to connect to.
    pub address: SocketAddr,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    /// Starts a relay to the server. It runs until the process ends.
    pub fn to(server_port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let connections = Arc::<Mutex<Vec<TcpStream>>>::default();
        let open = connections.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // Some tests stop the server meanwhile.
                let Ok(far) = TcpStream::connect(("127.0.0.1", server_port)) else {
                    continue;
                };
                relay(&near, &far, &open);
                relay(&far, &near, &open);
            }
        });
        Ok(Self {
            address,
            connections,
        })
    }

    /// Resets every connection, as a router does after it has lost its state.
    pub fn reset(&self) {
        let mut connections = self.connections.lock().expect("no thread panicked");
        for stream in connections.drain(..) {
            // With zero seconds the connection ends with RST instead of FIN.
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn relay(from: &TcpStream, to: &TcpStream, open: &Mutex<Vec<TcpStream>>) {
    let (Ok(mut from), Ok(mut to), Ok(copy)) = (from.try_clone(), to.try_clone(), from.try_clone())
    else {
        return;
    };
    open.lock().expect("no thread panicked").push(copy);
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
