//! Without PIN or quorum, no key can be generated, used, copied or deleted, and no private data can be read or written.

use countersign_simulator::{Profile, Simulator};
use hex_literal::hex;

use crate::support::{card_with_keys, hsm};

const SELECT: [u8; 17] = hex!("00A404000BE82B0601040181C31F020100");
const NOT_AUTHENTICATED: [u8; 2] = hex!("6982");

/// Commands that the card must refuse to an unauthenticated program. Its key 1 is an EC key.
fn refused_commands() -> Vec<(&'static str, Vec<u8>)> {
    let digest = [0x5A; 32];
    let sign = [&hex!("8068017020")[..], &digest, &[0]].concat();
    vec![
        ("sign", sign),
        ("decipher", hex!("80620180 02 0401 00").to_vec()),
        ("AES", hex!("80780110 01 00 00").to_vec()),
        ("wrap", hex!("80720192 00").to_vec()),
        ("unwrap", hex!("80740293 02 0000").to_vec()),
        ("generate a pair", hex!("00460200 02 5F29 00").to_vec()),
        ("generate an AES key", hex!("004802B2 02 9100").to_vec()),
        ("delete a key", hex!("00E40200 02 CC01").to_vec()),
        ("delete its certificate", hex!("00E40200 02 CE01").to_vec()),
        (
            "write a certificate",
            hex!("00D7CE01 0A 54020000 5304 01020304").to_vec(),
        ),
        (
            "write data",
            hex!("00D7CF01 0A 54020000 5304 01020304").to_vec(),
        ),
        ("delete a key domain", hex!("80520300").to_vec()),
    ]
}

fn assert_all_refused(card: &Simulator) {
    for (what, command) in refused_commands() {
        let answer = card.process(&command).expect("answers");
        assert_eq!(answer, NOT_AUTHENTICATED, "{what}");
    }
}

#[test]
fn all_commands_are_refused_without_the_pin() {
    let (simulator, _) = card_with_keys();
    let send = |command: &[u8]| simulator.process(command).expect("answers");
    // The commands work while the PIN is verified.
    let private = hex!("00D7CD01 0A 54020000 5304 01020304");
    let read = hex!("00B1CD01 04 54020000 00");
    assert_eq!(send(&private), hex!("9000"));
    assert!(send(&read).ends_with(&hex!("9000")));

    send(&SELECT);
    assert_all_refused(&simulator);
    assert_eq!(send(&read), NOT_AUTHENTICATED);
    // A wrong PIN has no effect. The right PIN logs in until the next selection.
    send(&hex!("0020008106303030303030"));
    assert_all_refused(&simulator);
    send(&hex!("0020008106363438323139"));
    let (what, sign) = &refused_commands()[0];
    assert!(send(sign).ends_with(&hex!("9000")), "{what}");
    send(&SELECT);
    assert_all_refused(&simulator);
}

#[test]
fn all_commands_are_refused_without_the_quorum() {
    let (simulator, card, _, _) = hsm(Profile::VENDOR);
    drop(card);
    simulator.process(&SELECT).expect("answers");
    assert_all_refused(&simulator);
}
