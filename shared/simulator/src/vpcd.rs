//! The card as a real PC/SC reader: speaks to vpcd, the virtual reader's driver. Either end may be the one that listens.
//!
//! Both directions: two bytes length, then that many bytes. One byte from vpcd is a control code.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
};

use crate::simulator::Simulator;

const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const ATR: u8 = 4;

/// Why the card left the reader.
#[derive(Debug, thiserror::Error)]
pub enum VpcdError {
    /// No reader.
    #[error(
        "cannot connect to the virtual reader at {address}: {why}. Is pcscd running, with vpcd installed?"
    )]
    Connect {
        /// Where.
        address: String,
        /// Why.
        why: std::io::Error,
    },
    /// Not a host and a port.
    #[error("`{0}` is no place of a virtual reader: give host and port, such as 127.0.0.1:35963")]
    Address(String),
    /// No place to listen.
    #[error("cannot listen at {address}: {why}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        why: std::io::Error,
    },
    /// The connection broke.
    #[error("the virtual reader closed the connection: {0}")]
    Closed(#[from] std::io::Error),
}

/// Inserts the card and plays it until the reader goes away.
///
/// # Errors
/// [`VpcdError`]: there is no other end.
pub fn run(simulator: &Simulator, address: &str) -> Result<std::convert::Infallible, VpcdError> {
    let stream = TcpStream::connect(address).map_err(|why| {
        let address = address.to_owned();
        match why.kind() {
            ErrorKind::InvalidInput => VpcdError::Address(address),
            _ => VpcdError::Connect { address, why },
        }
    })?;
    play(simulator, stream)
}

/// A place at which a reader finds its card. In vpcd's configuration that is a `DEVICENAME` of host and port.
pub struct VpcdListener {
    listener: TcpListener,
    address: String,
}

impl VpcdListener {
    /// From now on readers can connect: vpcd tries only once.
    ///
    /// # Errors
    /// [`VpcdError::Listen`].
    pub fn bind(address: &str) -> Result<Self, VpcdError> {
        let listener = TcpListener::bind(address).map_err(|why| cannot_listen(address, why))?;
        Ok(Self {
            listener,
            address: address.to_owned(),
        })
    }

    /// Waits for a reader, and plays the card, again and again.
    ///
    /// # Errors
    /// [`VpcdError::Listen`].
    pub fn run(&self, simulator: &Simulator) -> Result<std::convert::Infallible, VpcdError> {
        loop {
            let accepted = self.listener.accept();
            let (stream, _) = accepted.map_err(|why| cannot_listen(&self.address, why))?;
            // A reader that goes away comes back, or not.
            let Err(_) = play(simulator, stream);
        }
    }
}

fn cannot_listen(address: &str, why: std::io::Error) -> VpcdError {
    VpcdError::Listen {
        address: address.to_owned(),
        why,
    }
}

fn play(
    simulator: &Simulator,
    mut stream: TcpStream,
) -> Result<std::convert::Infallible, VpcdError> {
    stream.set_nodelay(true)?;
    simulator.reset();
    loop {
        acknowledge_at_once(&stream)?;
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
                let answer = simulator.process(command).map_err(std::io::Error::other)?;
                send(&mut stream, &answer)?;
            }
        }
    }
}

/// The reader writes the length of a message and the message apart, and the second waits for the acknowledgement of the
/// first: delayed, that would cost 40 ms a command. The kernel forgets the wish after a while.
#[cfg(target_os = "linux")]
fn acknowledge_at_once(stream: &TcpStream) -> std::io::Result<()> {
    use std::os::linux::net::TcpStreamExt;
    stream.set_quickack(true)
}

/// Elsewhere it cannot be asked for.
#[cfg(not(target_os = "linux"))]
fn acknowledge_at_once(_: &TcpStream) -> std::io::Result<()> {
    Ok(())
}

fn send(stream: &mut TcpStream, data: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(data.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), data].concat())
}
