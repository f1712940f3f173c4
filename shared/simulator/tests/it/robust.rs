//! A card answers every input with a status word.

use countersign_card::apdu::Command;
use countersign_simulator::{NewCard, Profile, Simulator};
use proptest::prelude::*;

use crate::support::card_with_keys;

fn card(user_pin: Option<&str>) -> Simulator {
    Simulator::in_memory(&NewCard {
        serial: "FUZZED".into(),
        label: "fuzzed".into(),
        profile: Profile::VENDOR,
        user_pin: user_pin.map(str::to_owned),
    })
    .expect("a card")
}

const SELECT: [u8; 17] = hex_literal::hex!("00A404000BE82B0601040181C31F020100");

/// Commands of the card with arbitrary parameters and data, which reach more code than arbitrary bytes.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let instruction = prop::sample::select(vec![
        0xA4u8, 0xB1, 0xD7, 0xE4, 0x58, 0x50, 0x54, 0x20, 0x24, 0x2C, 0x46, 0x68, 0x62, 0x84, 0x22,
        0x2A, 0x82, 0x86, 0x48, 0x52, 0x72, 0x74, 0x78,
    ]);
    let class = prop::sample::select(vec![0x00u8, 0x80, 0x0C, 0x8C]);
    let parameter = || {
        prop::sample::select(vec![
            0x00u8, 0x01, 0x02, 0x04, 0x2F, 0x81, 0xA4, 0xB6, 0x70, 0xBE,
        ])
    };
    (
        class,
        instruction,
        parameter(),
        parameter(),
        prop::collection::vec(any::<u8>(), 1..200),
    )
        .prop_map(|(class, instruction, p1, p2, data)| {
            let length = u8::try_from(data.len()).expect("short");
            [&[class, instruction, p1, p2, length], data.as_slice(), &[0]].concat()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_get_a_status_word(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..20)) {
        let card = card(None);
        card.process(&SELECT).expect("answers");
        for message in messages {
            prop_assert!(card.process(&message).expect("answers").len() >= 2);
        }
    }

    #[test]
    fn plausible_commands_get_a_status_word(messages in prop::collection::vec(plausible(), 1..20)) {
        let card = card(Some("648219"));
        card.process(&SELECT).expect("answers");
        card.process(&hex_literal::hex!("0020008106363438323139")).expect("answers");
        for message in messages {
            prop_assert!(card.process(&message).expect("answers").len() >= 2);
        }
    }

    #[test]
    fn key_commands_get_a_status_word(messages in prop::collection::vec(plausible(), 1..40)) {
        let (card, _) = card_with_keys();
        for message in messages {
            prop_assert!(card.process(&message).expect("answers").len() >= 2);
        }
    }

    #[test]
    fn damaged_copies_are_refused(cut in 0usize..1200, at in 0usize..1200, bit in 0u8..8) {
        let (card, wrapped) = card_with_keys();
        let unwrap = |blob: &[u8]| {
            let command = Command::new(0x80, 0x74, 9, 0x93).with_data(blob);
            card.process(&command.encode()).expect("answers")
        };
        for blob in wrapped {
            prop_assert_ne!(unwrap(&blob[..cut % blob.len()]), [0x90, 0x00]);
            let mut changed = blob.clone();
            changed[at % blob.len()] ^= 1 << bit;
            prop_assert_ne!(unwrap(&changed), [0x90, 0x00]);
            prop_assert_eq!(unwrap(&blob), [0x90, 0x00]);
        }
    }
}

#[test]
fn only_select_works_before_the_application_is_selected() {
    let card = card(Some("648219"));
    for command in [
        hex_literal::hex!("00200081").as_slice(),
        &hex_literal::hex!("8058000000"),
        &[0x00, 0x84, 0, 0, 8],
    ] {
        assert_eq!(card.process(command).expect("answers"), [0x6D, 0x00]);
    }
    // SELECT of another application.
    let other = hex_literal::hex!("00A4040007627601FF000000");
    assert_eq!(card.process(&other).expect("answers"), [0x6A, 0x82]);
}
