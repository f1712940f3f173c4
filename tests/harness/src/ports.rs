//! TCP ports for programs that several test processes start at the same time.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

use anyhow::bail;

/// Below the range from which Linux takes the ports of outgoing connections, so that no connection occupies a port between
/// its reservation and the start of its program.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A UDP socket on the same number reserves a TCP port until this process ends: other test processes skip it, and the
/// program that is started can still listen on TCP.
static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Reserves a TCP port on loopback for the life of this process.
///
/// # Errors
/// Every port of the range is taken.
pub fn free_port() -> anyhow::Result<u16> {
    consecutive_free_ports(1)
}

/// Reserves `count` consecutive ports and returns the first.
///
/// # Errors
/// The range has no such gap.
pub fn consecutive_free_ports(count: u16) -> anyhow::Result<u16> {
    // Processes begin at different places, so that they seldom try the same port.
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let offset = NEXT.fetch_add(count, Ordering::Relaxed);
        let first = FIRST + start.wrapping_add(offset) % (COUNT - count);
        if let Some(sockets) = (first..first + count)
            .map(reserve)
            .collect::<Option<Vec<_>>>()
        {
            let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
            reserved.extend(sockets);
            return Ok(first);
        }
    }
    bail!("no {count} consecutive TCP ports are free on loopback from {FIRST} on")
}

fn reserve(port: u16) -> Option<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    Some(socket)
}
