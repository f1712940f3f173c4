//! Cards whose responses do not end, or are longer than requested, get an error after a bounded number of commands and bytes.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use countersign_card::{
    Atr, CardError, Locality, Pin, SmartCardHsm, Transport, TransportError,
    apdu::{Command, StatusWord},
};
use zeroize::Zeroizing;

const SELECT: u8 = 0xA4;
const READ_BINARY: u8 = 0xB1;
const GET_RESPONSE: u8 = 0xC0;

type Rule = Box<dyn FnMut(&Command) -> Vec<u8> + Send>;

/// A card that answers by a rule, and counts commands and bytes.
struct LyingCard {
    rule: Rule,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    commands: AtomicUsize,
    bytes: AtomicUsize,
}

impl Transport for LyingCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let answer = (self.rule)(&Command::parse(command).expect("a command"));
        self.seen.bytes.fetch_add(answer.len(), Ordering::Relaxed);
        let before = self.seen.commands.fetch_add(1, Ordering::Relaxed);
        assert!(before < 100_000, "the driver does not stop");
        Ok(answer)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        Ok(Atr(Vec::new()))
    }

    fn name(&self) -> &str {
        "lying card"
    }

    fn locality(&self) -> Locality {
        Locality::Local
    }
}

fn answer(length: usize, sw: u16) -> Vec<u8> {
    let mut answer = vec![0x41; length];
    answer.extend(sw.to_be_bytes());
    answer
}

/// Connects to a card that accepts SELECT and then answers by the rule.
fn open(mut rule: impl FnMut(&Command) -> Vec<u8> + Send + 'static) -> (SmartCardHsm, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let card = LyingCard {
        rule: Box::new(move |command| match command.ins {
            SELECT => answer(0, StatusWord::OK.0),
            _ => rule(command),
        }),
        seen: seen.clone(),
    };
    (SmartCardHsm::open(card).expect("selects"), seen)
}

fn reads(seen: &Seen) -> (usize, usize) {
    let commands = seen.commands.load(Ordering::Relaxed);
    (commands, seen.bytes.load(Ordering::Relaxed))
}

fn malformed<T>(result: Result<T, CardError>) -> bool {
    matches!(result, Err(CardError::Malformed { .. }))
}

#[test]
fn a_chain_of_long_parts_ends_at_once() {
    let seen = Arc::new(Seen::default());
    let card = LyingCard {
        rule: Box::new(|_| answer(60_000, 0x61FF)),
        seen: seen.clone(),
    };
    assert!(malformed(SmartCardHsm::open(card)));
    assert_eq!(reads(&seen).0, 1);
}

#[test]
fn a_chain_of_short_parts_ends_at_the_length_that_was_requested() {
    let (mut card, seen) = open(|_| answer(1, 0x6101));
    assert!(malformed(card.read_file(0x2F02)));
    assert!(reads(&seen).0 <= 258);

    // A listing may have 65,536 bytes.
    for length in [1, 255] {
        let (mut card, seen) = open(move |_| answer(length, 0x61FF));
        assert!(malformed(card.enumerate()));
        let (commands, bytes) = reads(&seen);
        assert!(commands <= 258 && bytes <= 70_000);
    }
}

#[test]
fn a_chain_without_data_ends() {
    let (mut card, seen) = open(|_| answer(0, 0x61FF));
    assert!(malformed(card.read_file(0x2F02)));
    assert_eq!(reads(&seen).0, 3);
}

#[test]
fn a_chain_within_the_limit_is_read() {
    let mut parts = 4;
    let (mut card, _) = open(move |command| {
        if command.ins == READ_BINARY && parts == 0 {
            return answer(0, StatusWord::END_OF_FILE.0);
        }
        parts -= 1;
        answer(64, if parts > 0 { 0x6140 } else { StatusWord::OK.0 })
    });
    let content = card.read_file(0x2F02).expect("readable");
    assert_eq!(content.map(|content| content.len()), Some(256));
}

#[test]
fn a_part_is_not_longer_than_the_card_announces() {
    let (mut card, _) = open(|command| match command.ins {
        GET_RESPONSE => answer(17, StatusWord::OK.0),
        _ => answer(1, 0x6110),
    });
    assert!(malformed(card.read_file(0x2F02)));
}

#[test]
fn responses_longer_than_requested_are_refused() {
    let (mut card, _) = open(|_| answer(9, StatusWord::OK.0));
    assert!(malformed(card.get_challenge()));
    let (mut card, _) = open(|_| answer(257, StatusWord::OK.0));
    assert!(malformed(card.pka_status()));
    let (mut card, _) = open(|_| answer(65_537, StatusWord::OK.0));
    assert!(malformed(card.enumerate()));
}

#[test]
fn a_file_that_does_not_end_is_refused() {
    for block in [1, 31, 256] {
        let (mut card, seen) = open(move |_| answer(block, StatusWord::OK.0));
        assert!(malformed(card.device_chain()));
        let (commands, bytes) = reads(&seen);
        assert!(commands < 300 && bytes < 10_000, "{commands} {bytes}");

        let (mut card, seen) = open(move |_| answer(block, StatusWord::OK.0));
        assert!(malformed(card.token_info()));
        assert!(reads(&seen).1 < 2_000);
    }
    let (mut card, seen) = open(|_| answer(1, StatusWord::OK.0));
    assert!(malformed(card.read_file(0x2F03)));
    assert!(reads(&seen).0 < 1_100);
}

#[test]
fn a_listing_has_a_limit() {
    let (mut card, _) = open(|_| answer(2 * 4097, StatusWord::OK.0));
    assert!(malformed(card.enumerate()));
}

#[test]
fn a_command_with_a_pin_is_never_repeated() {
    let pin = |text: &str| Pin::new(Zeroizing::new(text.to_owned())).expect("a PIN");
    let (mut card, seen) = open(|_| answer(0, 0x6C10));
    assert!(card.verify_pin(&pin("648219")).is_err());
    assert!(card.change_pin(&pin("648219"), &pin("135790")).is_err());
    assert_eq!(reads(&seen).0, 3, "SELECT and two commands");
}

#[test]
fn a_command_with_another_length_keeps_its_data() {
    let mut commands = Vec::new();
    let (mut card, _) = open(move |command| {
        commands.push(command.clone());
        match commands.as_slice() {
            [_] => answer(0, 0x6C08),
            [first, second] => {
                assert_eq!(first.data, second.data);
                answer(8, StatusWord::OK.0)
            }
            _ => answer(0, StatusWord::END_OF_FILE.0),
        }
    });
    let content = card.read_file(0x2F02).expect("readable");
    assert_eq!(content.map(|content| content.len()), Some(8));
}
