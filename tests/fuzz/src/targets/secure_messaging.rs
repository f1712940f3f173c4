//! The secure channel, from both sides.

use std::sync::LazyLock;

use countersign_card::{
    apdu::{Command, Le, Response, StatusWord},
    secure_messaging::{Channel, establish},
};
use countersign_cvc::{Curve, EcSecretKey};

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

/// The answer of the device to the host's ephemeral point.
fn answer() -> Vec<u8> {
    let ephemeral = EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[3; 32]).expect("a scalar");
    let device = EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[5; 32]).expect("a scalar");
    let secret = device.ecdh(ephemeral.ec_public_key()).expect("a secret");
    let token = Channel::derive(&secret, &NONCE).token(ephemeral.ec_public_key());
    countersign_cvc::tlv::TlvWriter::new()
        .with(countersign_cvc::tlv::Tag(0x81), &NONCE)
        .with(countersign_cvc::tlv::Tag(0x82), &token)
        .wrap(countersign_cvc::tlv::Tag(0x7C))
}

pub fn seeds() -> Vec<Vec<u8>> {
    vec![COMMAND.clone(), RESPONSE.clone(), answer()]
}
