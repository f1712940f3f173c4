//! Checks the codec with messages of recorded sessions of CardContact's `ram-client` 2.12, and with generated messages.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails if it cannot decode its own vectors"
)]

use countersign_cvc::tlv::Tag;
use countersign_ram::{
    Answer, ClientMessage, Initiation, Instruction, MessageError, Notification, Outcome, Request,
};
use hex_literal::hex;
use proptest::prelude::*;

const ATR: [u8; 24] = hex!("3BFE1800008131FE458031815448534D31738021408107FA");

fn assert_answer(message: &Answer, bytes: &[u8]) {
    assert_eq!(message.encode().unwrap(), bytes);
    assert_eq!(
        ClientMessage::parse(bytes),
        Ok(ClientMessage::Answer(message.clone()))
    );
}

fn assert_request(instructions: &[Instruction], bytes: &[u8]) {
    let request = Request {
        instructions: instructions.to_vec(),
    };
    assert_eq!(request.encode().unwrap(), bytes);
    assert_eq!(Request::parse(bytes), Ok(request));
}

#[test]
fn a_recorded_session_is_encoded_and_decoded() {
    let first = Initiation {
        atr: ATR.to_vec(),
        max_command: None,
        max_response: None,
    };
    let bytes = hex!("E81AC0183BFE1800008131FE458031815448534D31738021408107FA");
    assert_eq!(first.encode().unwrap(), bytes);
    assert_eq!(
        ClientMessage::parse(&bytes),
        Ok(ClientMessage::Initiation(first))
    );

    assert_request(
        &[
            Instruction::Command(hex!("00A404000BE82B0601040181C31F020100").to_vec()),
            Instruction::Command(hex!("00200081").to_vec()),
        ],
        &hex!("AA19221100A404000BE82B0601040181C31F020100220400200081"),
    );
    assert_answer(
        &Answer {
            outcomes: vec![
                Outcome::Response(
                    hex!("6F17820178840BE82B0601040181C31F0201850500000003059000").to_vec(),
                ),
                Outcome::Response(hex!("6A88").to_vec()),
            ],
            executed: 2,
        },
        &hex!("AB24231B6F17820178840BE82B0601040181C31F020185050000000305900023026A88800102"),
    );
    assert_request(&[Instruction::Reset], &hex!("AA02C000"));
    assert_answer(
        &Answer {
            outcomes: vec![Outcome::Atr(ATR.to_vec())],
            executed: 0,
        },
        &hex!("AB1DC0183BFE1800008131FE458031815448534D31738021408107FA800100"),
    );
    assert_request(&[], &hex!("AA00"));
    assert_answer(&Answer::default(), &hex!("AB03800100"));
    let notify = |id, text: &str| {
        Instruction::Notify(Notification {
            id,
            text: text.into(),
            seconds: None,
        })
    };
    assert_request(
        &[notify(0, "Signed")],
        &hex!("AA0DE00B0201000C065369676E6564"),
    );
    assert_request(
        &[notify(-1, "Failed")],
        &hex!("AA0DE00B0201FF0C064661696C6564"),
    );
    assert_request(
        &[notify(0, "Hello from the rig, äöü")],
        &hex!("AA21E01F0201000C1A48656C6C6F2066726F6D20746865207269672C20C3A4C3B6C3BC"),
    );
}

#[test]
fn the_removal_of_a_card_is_reported_as_a_failure() {
    assert_answer(
        &Answer {
            outcomes: vec![Outcome::Failed("Card was removed.".into())],
            executed: 0,
        },
        &hex!("AB18E1130C1143617264207761732072656D6F7665642E800100"),
    );
}

#[test]
fn the_longest_apdus_of_a_client_are_decoded() {
    let bytes = hex!("E822C0183BFE1800008131FE458031815448534D31738021408107FAC10204D0C20204D0");
    assert_eq!(
        ClientMessage::parse(&bytes),
        Ok(ClientMessage::Initiation(Initiation {
            atr: ATR.to_vec(),
            max_command: Some(1232),
            max_response: Some(1232),
        }))
    );
}

#[test]
fn counts_are_decoded_with_and_without_a_leading_zero() {
    for bytes in [&hex!("AB03800180")[..], &hex!("AB0480020080")] {
        let ClientMessage::Answer(answer) = ClientMessage::parse(bytes).unwrap() else {
            panic!("the message is not an answer");
        };
        assert_eq!(answer.executed, 128);
    }
}

#[test]
fn malformed_and_unexpected_messages_are_rejected() {
    assert_eq!(
        Request::parse(&hex!("AA03E20100")),
        Err(MessageError::Unexpected(Tag(0xE2)))
    );
    assert_eq!(
        Request::parse(&hex!("AB03800100")),
        Err(MessageError::Unexpected(Tag(0xAB)))
    );
    assert!(Request::parse(&[]).is_err());
    assert!(Request::parse(&hex!("AA052204")).is_err());
    assert!(Request::parse(&hex!("AA0000")).is_err());
    // The object of a reset must be empty.
    assert!(Request::parse(&hex!("AA03C00100")).is_err());
    assert!(
        ClientMessage::parse(&hex!("AB00")).is_err(),
        "the count is missing"
    );
    assert!(
        ClientMessage::parse(&hex!("E800")).is_err(),
        "the answer to reset is missing"
    );
    let long = Answer {
        outcomes: vec![Outcome::Response(vec![0; 70_000])],
        executed: 1,
    };
    assert!(matches!(long.encode(), Err(MessageError::TooLong(_))));
}

fn instruction() -> impl Strategy<Value = Instruction> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 4..300).prop_map(Instruction::Command),
        Just(Instruction::Reset),
        (any::<i32>(), ".{0,40}", proptest::option::of(0u32..100_000)).prop_map(
            |(id, text, seconds)| Instruction::Notify(Notification { id, text, seconds })
        ),
        ".{0,40}".prop_map(Instruction::Close),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 2..300).prop_map(Outcome::Response),
        proptest::collection::vec(any::<u8>(), 0..33).prop_map(Outcome::Atr),
        ".{0,40}".prop_map(Outcome::Failed),
    ]
}

proptest! {
    #[test]
    fn encoded_messages_are_decoded_to_the_same_values(
        instructions in proptest::collection::vec(instruction(), 0..8),
        outcomes in proptest::collection::vec(outcome(), 0..8),
        executed in 0..=i32::MAX.unsigned_abs(),
    ) {
        let request = Request { instructions };
        prop_assert_eq!(Request::parse(&request.encode().unwrap()), Ok(request));
        let answer = Answer { outcomes, executed };
        prop_assert_eq!(
            ClientMessage::parse(&answer.encode().unwrap()),
            Ok(ClientMessage::Answer(answer))
        );
    }

    #[test]
    fn decoding_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::parse(&bytes);
        let _ = ClientMessage::parse(&bytes);
    }
}
