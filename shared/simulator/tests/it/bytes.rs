//! Responses of the card, byte for byte.

use countersign_simulator::Profile;
use hex_literal::hex;

use crate::support::new_card;

const SELECT: [u8; 17] = hex!("00A404000BE82B0601040181C31F020100");

/// File control information of the selected application.
fn selected(profile: Profile) -> Vec<u8> {
    let card = new_card("BYTES1", profile, Some("648219"));
    card.process(&SELECT).expect("answers")
}

#[test]
fn the_application_identifies_itself_like_the_vendor_s_device() {
    // Option word 0001 (PIN can be reset), platform 00, version 3.5.
    assert_eq!(
        selected(Profile::VENDOR),
        hex!("6F0A 820178 85050001000305 9000")[..].to_vec()
    );
}

#[test]
fn an_independent_application_identifies_itself_in_its_own_form() {
    let answer = selected(Profile::PICO_MEASURED);
    assert!(answer.starts_with(&hex!(
        "6222 81020000 820138 83023F00 840BE82B0601040181C31F0201 8A0105 8505"
    )));
    assert!(answer.ends_with(&hex!("FF0606 9000")));
}

#[test]
fn the_tries_of_a_pin_are_reported() {
    let card = new_card("BYTES1", Profile::VENDOR, Some("648219"));
    card.process(&SELECT).expect("answers");
    for (command, answer) in [
        (hex!("00200081").as_slice(), hex!("63C3")),
        (&hex!("0020008106303030303030"), hex!("63C2")),
        (&hex!("00200081"), hex!("63C2")),
        (&hex!("0020008106363438323139"), hex!("9000")),
        (&hex!("00200081"), hex!("9000")),
    ] {
        assert_eq!(card.process(command).expect("answers"), answer);
    }
}
