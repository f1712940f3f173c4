//! The PIN commands VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER.

use std::ops::RangeInclusive;

use countersign_card::apdu::{Command, StatusWord};
use subtle::ConstantTimeEq;

use crate::{
    card::{Card, Outcome},
    file::StoredPin,
};

const USER: u8 = 0x81;
const SECURITY_OFFICER: u8 = 0x88;
const USER_PIN_LENGTHS: RangeInclusive<usize> = 6..=16;
const SO_PIN_LENGTH: usize = 8;

/// Compares a PIN. The counter of tries decreases before the comparison and is restored afterwards if the PIN is right.
fn check(stored: &mut StoredPin, given: &[u8]) -> Result<(), StatusWord> {
    if stored.tries == 0 {
        return Err(StatusWord::BLOCKED);
    }
    stored.tries -= 1;
    if bool::from(stored.bytes().ct_eq(given)) {
        stored.tries = stored.most;
        Ok(())
    } else {
        Err(StatusWord::with_tries(stored.tries))
    }
}

pub fn verify(card: &mut Card, command: &Command) -> Outcome {
    if command.data.is_empty() {
        return status(card, command.p2).map(|()| Vec::new());
    }
    match command.p2 {
        USER => {
            if !USER_PIN_LENGTHS.contains(&command.data.len()) {
                return Err(StatusWord::WRONG_LENGTH);
            }
            let stored = card
                .data
                .user_pin
                .as_mut()
                .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
            // An earlier login ends in any case.
            card.session.user = false;
            card.dirty = true;
            check(stored, &command.data)?;
            if stored.transport {
                return Err(StatusWord::NOT_USABLE);
            }
            card.session.user = true;
            Ok(Vec::new())
        }
        SECURITY_OFFICER => {
            let stored = card
                .data
                .so_pin
                .as_mut()
                .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
            card.dirty = true;
            card.session.security_officer = false;
            check(stored, &command.data)?;
            card.session.security_officer = true;
            Ok(Vec::new())
        }
        _ => Err(StatusWord::REFERENCE_NOT_FOUND),
    }
}

fn status(card: &Card, reference: u8) -> Result<(), StatusWord> {
    let of = |pin: &StoredPin| match pin.tries {
        0 => StatusWord::BLOCKED,
        _ if pin.transport => StatusWord::NOT_USABLE,
        tries => StatusWord::with_tries(tries),
    };
    match reference {
        USER => {
            let quorum = card.data.pka.is_some() && card.data.profile.pin_status_tells_quorum;
            match &card.data.user_pin {
                _ if quorum && card.is_open() => Ok(()),
                _ if quorum && !card.quorum_met() => Err(StatusWord::AUTHENTICATION_FAILED),
                Some(_) if card.session.user => Ok(()),
                Some(pin) => Err(of(pin)),
                None => Err(StatusWord::REFERENCE_NOT_FOUND),
            }
        }
        SECURITY_OFFICER => Err(card
            .data
            .so_pin
            .as_ref()
            .map_or(StatusWord::REFERENCE_NOT_FOUND, of)),
        // For biometric references, any other status would announce a PIN pad.
        _ => Err(StatusWord::REFERENCE_NOT_FOUND),
    }
}

pub fn change(card: &mut Card, command: &Command) -> Outcome {
    let stored = match command.p2 {
        USER => &mut card.data.user_pin,
        SECURITY_OFFICER => &mut card.data.so_pin,
        _ => return Err(StatusWord::REFERENCE_NOT_FOUND),
    };
    let stored = stored.as_mut().ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    let length = stored.bytes().len();
    let (old, new) = command
        .data
        .split_at_checked(length)
        .ok_or(StatusWord::WRONG_LENGTH)?;
    let allowed = if command.p2 == USER {
        USER_PIN_LENGTHS
    } else {
        SO_PIN_LENGTH..=SO_PIN_LENGTH
    };
    if !allowed.contains(&new.len()) {
        return Err(StatusWord::WRONG_DATA);
    }
    card.dirty = true;
    if command.p2 == USER {
        // As with VERIFY, an earlier login ends in any case.
        card.session.user = false;
    }
    check(stored, old)?;
    *stored = StoredPin::new(new, stored.most);
    card.session.user |= command.p2 == USER;
    Ok(Vec::new())
}

pub fn reset_retry_counter(card: &mut Card, command: &Command) -> Outcome {
    const ALLOWED: u16 = 0x0001;
    const COUNTER_ONLY: u16 = 0x0020;
    if command.p2 != USER {
        return Err(StatusWord::REFERENCE_NOT_FOUND);
    }
    let allowed = match (command.p1, card.data.options & (ALLOWED | COUNTER_ONLY)) {
        (0x00, options) => options == ALLOWED,
        (0x01, options) => options != 0,
        _ => return Err(StatusWord::WRONG_P1P2),
    };
    if !allowed {
        return Err(StatusWord::NOT_ALLOWED);
    }
    let (so_pin, new) = command
        .data
        .split_at_checked(SO_PIN_LENGTH)
        .ok_or(StatusWord::WRONG_LENGTH)?;
    let user = card
        .data
        .user_pin
        .as_mut()
        .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    let new = match (command.p1, new.len()) {
        (0x00, length) if USER_PIN_LENGTHS.contains(&length) => StoredPin::new(new, user.most),
        (0x01, 0) => StoredPin {
            tries: user.most,
            ..user.clone()
        },
        _ => return Err(StatusWord::WRONG_DATA),
    };
    let stored = card
        .data
        .so_pin
        .as_mut()
        .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    card.dirty = true;
    check(stored, so_pin)?;
    *user = new;
    card.session.user = card.data.profile.reset_logs_in;
    Ok(Vec::new())
}
