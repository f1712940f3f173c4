//! Command and response APDUs, and a card that gets them.

use std::cell::RefCell;

use countersign_card::apdu::{Command, Response};
use countersign_simulator::{Profile, Simulator};

use crate::cards::new_card;

thread_local! {
    static CARD: RefCell<Simulator> = RefCell::new(new_card("FUZZ01", Profile::VENDOR));
}

/// A command that is parsed is encoded as it was, and a card answers everything with a status word.
pub fn run(data: &[u8]) {
    if let Ok(command) = Command::parse(data) {
        let again = Command::parse(&command.encode()).expect("its own encoding");
        assert_eq!(again.data, command.data);
        assert_eq!((again.cla, again.ins), (command.cla, command.ins));
    }
    if let Some(response) = Response::parse(data) {
        assert_eq!(response.encode(), data);
    }
    CARD.with_borrow(|card| {
        let answer = card.process(data).expect("the card is in the reader");
        assert!(answer.len() >= 2, "no status word");
    });
}

pub fn seeds() -> Vec<Vec<u8>> {
    [
        "00A404000BE82B0601040181C31F0201",
        "00A404000BE82B0601040181C31F020100",
        "00200081",
        "80580000000000",
        "00B12F0200000454020000",
        "80640000",
        "00840000 08",
        "8050000015800201008106 363438323139820835373632313838309001039201009301",
        "0022814103830100",
        "806800A0000000200000000000000000000000000000000000000000000000000000000000000000000000",
    ]
    .iter()
    .filter_map(|text| hex::decode(text.replace(' ', "")).ok())
    .collect()
}
