//! The simulator connected to a virtual reader.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use countersign_simulator::{NewCard, Profile, Simulator, VpcdListener, run_vpcd};

const SELECT: [u8; 17] = hex_literal::hex!("00A404000BE82B0601040181C31F020100");

/// Sends a command like the reader's driver: length and message separately, and without `TCP_NODELAY`.
fn command(stream: &mut TcpStream, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("short");
    stream.write_all(&length.to_be_bytes()).expect("sends");
    stream.write_all(message).expect("sends");
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("answers");
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).expect("answers");
    answer
}

fn card() -> Simulator {
    Simulator::in_memory(&NewCard {
        serial: "READER".into(),
        label: "in a reader".into(),
        profile: Profile::VENDOR,
        user_pin: Some("648219".into()),
    })
    .expect("a card")
}

#[test]
#[cfg(target_os = "linux")]
fn a_command_does_not_wait_for_a_delayed_acknowledgement() {
    const COMMANDS: u32 = 50;
    // Half the time by which the kernel would delay each acknowledgement.
    const LIMIT: Duration = Duration::from_millis(20);
    let card = card();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let card = std::thread::spawn(move || run_vpcd(&card, &address));
    let (mut stream, _) = listener.accept().expect("connects");
    assert!(command(&mut stream, &SELECT).ends_with(&[0x90, 0x00]));

    let start = Instant::now();
    for _ in 0..COMMANDS {
        let status = command(&mut stream, &[0x00, 0x20, 0x00, 0x81]);
        assert_eq!(status, [0x63, 0xC3]);
    }
    let each = start.elapsed() / COMMANDS;
    assert!(each < LIMIT, "{each:?} per command");

    drop(stream);
    assert!(
        card.join().expect("ends").is_err(),
        "the reader has disconnected"
    );
}

#[test]
fn a_reader_can_connect_as_soon_as_the_card_listens() {
    // A port that was free just now.
    let address = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .to_string();
    let listener = VpcdListener::bind(&address).expect("listens");
    let mut stream = TcpStream::connect(&address).expect("connects");
    std::thread::spawn(move || listener.run(&card()));
    assert!(command(&mut stream, &SELECT).ends_with(&[0x90, 0x00]));
}
