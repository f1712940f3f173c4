//! Test vectors of chip authentication and secure messaging, byte by byte.

#![allow(clippy::expect_used, reason = "tests")]

use countersign_card::{
    apdu::{Command, Le, Response, StatusWord},
    secure_messaging::{Channel, establish, general_authenticate},
};
use countersign_cvc::{Curve, EcSecretKey};
use hex_literal::hex;
use proptest::prelude::*;

const ANSWER: [u8; 22] = hex!("7C148108A1A2A3A4A5A6A7A88208BFEA5C76DC8F5949");
const PIN_STATUS: [u8; 18] = hex!("0C2000810D9701008E08C1A83D108D674693");
const DER: [u8; 70] = hex!(
    "30440220497D7553F2E0E5E40C530040608D1135C4EE1C96CB1D6FF61CD205B062D64A6E"
    "02206545B2A877D0B260879A6B8340BFA8E0461C4336DE62521A15E06D8B0BBA49F8"
);

fn key(scalar: [u8; 32]) -> EcSecretKey {
    EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &scalar).expect("a scalar")
}

fn device() -> EcSecretKey {
    key(hex!(
        "78230EA955F1479A8D8A5C5B331CC026B469FC6C325DC423BCD41E00A37DA059"
    ))
}

fn ephemeral() -> EcSecretKey {
    key(hex!(
        "5136DBF92E58944FB4A932E2EF50E29CCB32064E5EFF757B32A8C938C576DD9D"
    ))
}

fn host() -> Channel {
    establish(&ephemeral(), device().ec_public_key(), &ANSWER).expect("the token is right")
}

fn card() -> Channel {
    let secret = device()
        .ecdh(ephemeral().ec_public_key())
        .expect("one curve");
    Channel::derive(&secret, &hex!("A1A2A3A4A5A6A7A8"))
}

/// Commands with their protected form, and responses with theirs. The order matters because of the send sequence counter.
fn exchanges() -> Vec<(Command, Vec<u8>, Response, Vec<u8>)> {
    let answer = |data: &[u8], sw| Response {
        data: data.to_vec(),
        sw: StatusWord(sw),
    };
    vec![
        (
            Command::new(0, 0x20, 0, 0x81).with_le(Le::Short),
            hex!("0C2000810D9701008E08C1A83D108D67469300").to_vec(),
            answer(&[], 0x63C3),
            hex!("990263C38E08D786D94BB91B134E9000").to_vec(),
        ),
        (
            Command::new(0, 0x20, 0, 0x81).with_data(*b"648219"),
            hex!("0C2000811D871101A1D38542D4A7BE1A628A9B92026E45E18E083811CDCEEBAFF09A00").to_vec(),
            answer(&[], 0x9000),
            hex!("990290008E08C66A33FAE22335FA9000").to_vec(),
        ),
        (
            Command::new(0, 0xB1, 0x2F, 0x02).with_data(hex!("54020000")).with_le(Le::Extended),
            hex!("0CB12F020000208510B74AB080D6DECC961A87A9CB0316D080970200008E08BFE12A50A99B63880000").to_vec(),
            answer(&hex!("7F2181E57F4E819E5F290100420E5A5A54535444"), 0x9000),
            hex!("85204022834F47C284C8CAFAB8E19CBABD9A18B21A0C73CFEDA6103657B96BABF29A990290008E08CE0EB69797827D249000").to_vec(),
        ),
        (
            Command::new(0x80, 0x68, 1, 0x70)
                .with_data(hex!("71CDFB15219D1DDB0268FC187F3DB7820D1C0E649F571CFE71B93AFD64A29736"))
                .with_le(Le::Short),
            hex!("8C680170408731019297BBCDA449607EF4EBB9C46E60586E1B352E5F95AEE5A37C0F4B12773448D7D7AF804624EB4B6B7420252A2C312BDB9701008E085E7908DD7C70E0C100").to_vec(),
            answer(&DER, 0x9000),
            hex!("87510188A76B6DCF85AEB3BBD69189BCFB99E4D63CD441A34897F5B9AA12D9C295C66E02473E83AD38DAB0492907D6C4DE64944FCCB6D3FD48AE5F215E7BFD1D35CBAA67858C1AF6F762921970E205D6472A5F990290008E084D09B6A3B399E7819000").to_vec(),
        ),
    ]
}

#[test]
fn the_host_sends_its_ephemeral_point() {
    let data = general_authenticate(ephemeral().ec_public_key());
    assert_eq!(data[..6], hex!("7C4380410414")[..]);
    assert_eq!(data.len(), 0x45);
}

#[test]
fn the_host_side_matches_the_test_vectors() {
    let mut channel = host();
    for (command, protected, response, bytes) in exchanges() {
        assert_eq!(
            *channel.protect_command(&command).encode(),
            protected,
            "{command:?}"
        );
        let opened = channel
            .open_response(&bytes[..bytes.len() - 2])
            .expect("authentic");
        assert_eq!(opened, response);
    }
}

#[test]
fn the_card_side_matches_the_test_vectors() {
    let mut channel = card();
    assert_eq!(
        channel.token(ephemeral().ec_public_key()),
        hex!("BFEA5C76DC8F5949")
    );
    for (command, protected, response, bytes) in exchanges() {
        let received = Command::parse(&protected).expect("a command");
        assert_eq!(channel.open_command(&received), Ok(command.clone()));
        assert_eq!(
            channel.protect_response(command.ins, &response).encode(),
            bytes
        );
    }
}

#[test]
fn the_data_object_of_even_instructions_is_read_too() {
    let mut channel = host();
    let exchanges = exchanges();
    for (command, _, _, bytes) in &exchanges[..2] {
        channel.protect_command(command);
        channel
            .open_response(&bytes[..bytes.len() - 2])
            .expect("authentic");
    }
    channel.protect_command(&exchanges[2].0);
    let with_87 = hex!(
        "8721014022834F47C284C8CAFAB8E19CBABD9A18B21A0C73CFEDA6103657B96BABF29A990290008E08108C7BC760EA4FFA"
    );
    assert_eq!(channel.open_response(&with_87), Ok(exchanges[2].2.clone()));
}

#[test]
fn a_card_without_the_device_key_is_rejected() {
    let other = key([9; 32]);
    assert!(establish(&ephemeral(), other.ec_public_key(), &ANSWER).is_err());
    let mut token = ANSWER;
    token[21] ^= 1;
    assert!(establish(&ephemeral(), device().ec_public_key(), &token).is_err());
}

#[test]
fn a_replayed_response_is_rejected() {
    let mut channel = host();
    let (command, _, _, bytes) = exchanges().swap_remove(0);
    channel.protect_command(&command);
    channel
        .open_response(&bytes[..bytes.len() - 2])
        .expect("authentic");
    channel.protect_command(&command);
    assert!(channel.open_response(&bytes[..bytes.len() - 2]).is_err());
}

proptest! {
    #[test]
    fn a_protected_exchange_arrives_unchanged_at_both_ends(ins in any::<u8>(), data in proptest::collection::vec(any::<u8>(), 0..900), answer in proptest::collection::vec(any::<u8>(), 0..900)) {
        let (mut host, mut card) = (host(), card());
        let command = Command::new(0, ins, 1, 2).with_data(data).with_le(Le::Extended);
        let wire = Command::parse(&host.protect_command(&command).encode()).expect("a command");
        prop_assert_eq!(card.open_command(&wire), Ok(command));
        let response = Response { data: answer, sw: StatusWord::OK };
        let wire = card.protect_response(ins, &response);
        prop_assert_eq!(host.open_response(&wire.data), Ok(response));
    }

    #[test]
    fn a_response_with_a_changed_bit_is_rejected(position in 0usize..16, bit in 0u8..8) {
        let mut channel = host();
        let (command, _, _, mut bytes) = exchanges().swap_remove(0);
        channel.protect_command(&command);
        bytes.truncate(bytes.len() - 2);
        let position = position % bytes.len();
        bytes[position] ^= 1 << bit;
        prop_assert!(channel.open_response(&bytes).is_err());
    }

    #[test]
    fn a_command_with_a_changed_bit_is_rejected(position in 0usize..18, bit in 0u8..8) {
        let mut bytes = PIN_STATUS.to_vec();
        // A changed length gives another form of command, and without the class bits the command is not protected.
        prop_assume!(position != 4 && (position, bit) != (0, 2) && (position, bit) != (0, 3));
        bytes[position] ^= 1 << bit;
        bytes.push(0);
        if let Ok(command) = Command::parse(&bytes) {
            prop_assert!(card().open_command(&command).is_err());
        }
    }

    #[test]
    fn arbitrary_responses_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = host().open_response(&bytes);
        let _ = establish(&ephemeral(), device().ec_public_key(), &bytes);
    }
}
