//! Connection to vpcd, the driver of a virtual PC/SC reader, so that PC/SC programs see the card. Either end can listen.
//!
//! In both directions, a message is a length of two bytes followed by that number of bytes. A message of one byte from vpcd is
//! a control code.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
};

use crate::simulator::Simulator;

const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const ATR: u8 = 4;

/// The reason why the card is not in the reader.
#[derive(Debug, thiserror::Error)]
pub enum VpcdError {
    /// The connection to the reader failed.
    #[error(
        "cannot connect to the virtual reader at {address}: {why}. Check that vpcd is installed and pcscd is running"
    )]
    Connect {
        /// Address of the reader.
        address: String,
        /// Error of the operating system.
        why: std::io::Error,
    },
    /// The address is not a host with a port.
    #[error(
        "`{0}` is not an address of a virtual reader: expected host and port, such as 127.0.0.1:35963"
    )]
    Address(String),
    /// The card cannot listen at the address.
    #[error("cannot listen at {address}: {why}")]
    Listen {
        /// Address to listen at.
        address: String,
        /// Error of the operating system.
        why: std::io::Error,
    },
    /// The connection ended.
    #[error("the virtual reader closed the connection: {0}")]
    Closed(#[from] std::io::Error),
}

/// Inserts the card into the reader at `address` and processes its commands until the reader disconnects.
///
/// # Errors
/// Returns only with an error: the connection failed or ended.
pub fn run(simulator: &Simulator, address: &str) -> Result<std::convert::Infallible, VpcdError> {
    let stream = TcpStream::connect(address).map_err(|why| {
        let address = address.to_owned();
        match why.kind() {
            ErrorKind::InvalidInput => VpcdError::Address(address),
            _ => VpcdError::Connect { address, why },
        }
    })?;
    serve(simulator, stream)
}

/// An address at which the card waits for a reader. In vpcd's configuration it is a `DEVICENAME` of host and port.
pub struct VpcdListener {
    listener: TcpListener,
    address: String,
}

impl VpcdListener {
    /// Begins to listen. Readers can connect from then on, which matters because vpcd tries only once.
    ///
    /// # Errors
    /// [`VpcdError::Listen`] if the address cannot be used.
    pub fn bind(address: &str) -> Result<Self, VpcdError> {
        let listener = TcpListener::bind(address).map_err(|why| cannot_listen(address, why))?;
        Ok(Self {
            listener,
            address: address.to_owned(),
        })
    }

    /// Waits for a reader and processes its commands until it disconnects, repeatedly.
    ///
    /// # Errors
    /// Returns only with an error: [`VpcdError::Listen`] if no connection can be accepted.
    pub fn run(&self, simulator: &Simulator) -> Result<std::convert::Infallible, VpcdError> {
        loop {
            let accepted = self.listener.accept();
            let (stream, _) = accepted.map_err(|why| cannot_listen(&self.address, why))?;
            // The reader has disconnected and can connect again.
            let Err(_) = serve(simulator, stream);
        }
    }
}

fn cannot_listen(address: &str, why: std::io::Error) -> VpcdError {
    VpcdError::Listen {
        address: address.to_owned(),
        why,
    }
}

fn serve(
    simulator: &Simulator,
    mut stream: TcpStream,
) -> Result<std::convert::Infallible, VpcdError> {
    stream.set_nodelay(true)?;
    simulator.reset();
    loop {
        disable_delayed_acknowledgement(&stream)?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message)?;
        match message.as_slice() {
            [POWER_OFF | POWER_ON | RESET] => {
                simulator.reset();
            }
            [ATR] => send(&mut stream, &crate::simulator::atr().0)?,
            command => {
                let response = simulator.process(command).map_err(std::io::Error::other)?;
                send(&mut stream, &response)?;
            }
        }
    }
}

/// The reader sends the length of a message and the message separately, and the second waits for the acknowledgement of the
/// first. A delayed acknowledgement would cost 40 ms per command. The kernel resets the setting after a while, so it is
/// repeated for every command.
#[cfg(target_os = "linux")]
fn disable_delayed_acknowledgement(stream: &TcpStream) -> std::io::Result<()> {
    use std::os::linux::net::TcpStreamExt;
    stream.set_quickack(true)
}

/// Other systems do not have this setting.
#[cfg(not(target_os = "linux"))]
fn disable_delayed_acknowledgement(_: &TcpStream) -> std::io::Result<()> {
    Ok(())
}

fn send(stream: &mut TcpStream, data: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(data.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), data].concat())
}
