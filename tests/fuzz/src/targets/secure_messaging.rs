//! The secure channel, from both sides.

use std::sync::LazyLock;

use cmac::{Cmac, KeyInit, Mac};
use countersign_card::{
    apdu::{Command, Le, Response, StatusWord},
    secure_messaging::{Channel, establish},
};
use countersign_cvc::{Curve, EcSecretKey, tlv};
use sha1::{Digest, Sha1};

const SECRET: [u8; 32] = [7; 32];
const NONCE: [u8; 8] = [9; 8];

fn channel() -> Channel {
    Channel::derive(&SECRET, &NONCE)
}

fn command() -> Command {
    Command::new(0x00, 0x20, 0x00, 0x81)
        .with_data(*b"648219")
        .with_le(Le::Short)
}

fn response() -> Response {
    Response {
        data: vec![0xA5; 70],
        sw: StatusWord::OK,
    }
}

static COMMAND: LazyLock<Vec<u8>> =
    LazyLock::new(|| channel().protect_command(&command()).data.clone());

static RESPONSE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut channel = channel();
    let _ = channel.protect_command(&command());
    channel.protect_response(0x20, &response()).data
});

/// Only the bytes that the other side sent are authentic.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((0, objects)) => return run_authentic_response(objects),
        Some((1, objects)) => return run_authentic_command(objects),
        _ => {}
    }
    let mut host = channel();
    let _ = host.protect_command(&command());
    if let Ok(opened) = host.open_response(data) {
        assert_eq!(data, *RESPONSE, "a changed response was accepted");
        assert_eq!(opened, response());
    }
    let mut card = channel();
    let protected = Command::new(0x0C, 0x20, 0x00, 0x81).with_data(data);
    if let Ok(opened) = card.open_command(&protected) {
        assert_eq!(data, *COMMAND, "a changed command was accepted");
        assert_eq!(opened.data, command().data);
    }
    let ephemeral = EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[3; 32]).expect("a scalar");
    let device = EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[5; 32]).expect("a scalar");
    assert!(
        establish(&ephemeral, device.ec_public_key(), data).is_err() || data == answer(),
        "a card without the key was accepted"
    );
}

/// Any objects with the right checksum: a card that has the keys, but does not keep to the protocol.
fn run_authentic_response(objects: &[u8]) {
    let mut host = channel();
    let _ = host.protect_command(&command());
    let response = with_checksum(2, &[], objects);
    if let Ok(opened) = host.open_response(&response) {
        assert!(opened.data.len() <= objects.len(), "more than was sent");
    }
}

/// As [`run_authentic_response`], for a host.
fn run_authentic_command(objects: &[u8]) {
    let mut header = vec![0x0C, 0x20, 0x00, 0x81];
    pad(&mut header);
    let protected =
        Command::new(0x0C, 0x20, 0x00, 0x81).with_data(with_checksum(1, &header, objects));
    if let Ok(opened) = channel().open_command(&protected) {
        assert!(opened.data.len() <= objects.len(), "more than was sent");
    }
}

/// The objects with the checksum of the channel (BSI TR-03110-3, section F) for this counter.
fn with_checksum(counter: u128, header: &[u8], objects: &[u8]) -> Vec<u8> {
    let digest = Sha1::new()
        .chain_update(SECRET)
        .chain_update(NONCE)
        .chain_update([0, 0, 0, 2])
        .finalize();
    let mut message = [&counter.to_be_bytes(), header, objects].concat();
    if !objects.is_empty() || header.is_empty() {
        pad(&mut message);
    }
    let mut mac = Cmac::<aes::Aes128>::new_from_slice(&digest[..16]).expect("a key of 16 bytes");
    mac.update(&message);
    let checksum = mac.finalize().into_bytes();
    [objects, &tlv::encode(tlv::Tag(0x8E), &checksum[..8])].concat()
}

fn pad(message: &mut Vec<u8>) {
    message.push(0x80);
    message.resize(message.len().next_multiple_of(16), 0);
}

/// The answer of the device to the host's ephemeral point.
fn answer() -> Vec<u8> {
    let ephemeral = EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[3; 32]).expect("a scalar");
    let device = EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[5; 32]).expect("a scalar");
    let secret = device.ecdh(ephemeral.ec_public_key()).expect("a secret");
    let token = Channel::derive(&secret, &NONCE).token(ephemeral.ec_public_key());
    tlv::TlvWriter::new()
        .with(tlv::Tag(0x81), &NONCE)
        .with(tlv::Tag(0x82), &token)
        .wrap(tlv::Tag(0x7C))
}

pub fn seeds() -> Vec<Vec<u8>> {
    // The objects before the checksum, which is the last object and has 10 bytes.
    let objects = |number: u8, message: &[u8]| {
        let end = message.len().saturating_sub(10);
        [&[number], message.get(..end).unwrap_or_default()].concat()
    };
    let authentic = [objects(0, &RESPONSE), objects(1, &COMMAND)];
    assert_eq!(
        with_checksum(2, &[], &authentic[0][1..]),
        *RESPONSE,
        "the checksum is that of the channel"
    );
    let mut seeds = vec![COMMAND.clone(), RESPONSE.clone(), answer()];
    seeds.extend(authentic);
    seeds
}
