//! MANAGE KEY DOMAIN, which manages key domains and their DKEK shares.

use countersign_card::apdu::{Command, StatusWord};

use crate::{
    card::{Card, Outcome},
    key_domain::StoredKeyDomain,
};

const STATUS_OR_SHARE: u8 = 0x00;
const CREATE: u8 = 0x01;
const DELETE: u8 = 0x03;
const CLEAR: u8 = 0x04;

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    let index = command.p2;
    let Some(slot) = slot(card, index)? else {
        return match (command.p1, command.data.as_slice()) {
            (CREATE, [shares]) => {
                card.demand_open()?;
                put(card, index, Some(StoredKeyDomain::awaiting(*shares)))
            }
            (CREATE, _) => Err(StatusWord::WRONG_LENGTH),
            (STATUS_OR_SHARE | DELETE | CLEAR, _) => Err(StatusWord::REFERENCE_NOT_FOUND),
            _ => Err(StatusWord::WRONG_P1P2),
        };
    };
    match (command.p1, command.data.as_slice()) {
        (STATUS_OR_SHARE, []) => Ok(status(slot)),
        // Tools import shares without a login. This gives no access to keys.
        (STATUS_OR_SHARE, share) => {
            let share = share.try_into().map_err(|_| StatusWord::WRONG_LENGTH)?;
            let mut domain = slot.clone();
            if !domain.import(share) {
                return Err(StatusWord::NOT_ALLOWED);
            }
            put(card, index, Some(domain))
        }
        (CREATE, _) => Err(StatusWord::FILE_EXISTS),
        (DELETE, _) => {
            card.demand_open()?;
            if card.data.keys.values().any(|key| key.domain == index) {
                return Err(StatusWord::FILE_EXISTS);
            }
            put(card, index, None)
        }
        (CLEAR, _) => {
            let cleared = StoredKeyDomain::awaiting(slot.shares);
            card.demand_open()?;
            put(card, index, Some(cleared))
        }
        _ => Err(StatusWord::WRONG_P1P2),
    }
}

/// Finds the domain in a slot; `None` if the slot is empty.
pub fn slot(card: &Card, index: u8) -> Result<Option<&StoredKeyDomain>, StatusWord> {
    let slots = card
        .data
        .key_domains
        .as_ref()
        .ok_or(StatusWord::UNKNOWN_INSTRUCTION)?;
    let slot = slots.get(usize::from(index));
    slot.map(Option::as_ref).ok_or(StatusWord::WRONG_P1P2)
}

fn put(card: &mut Card, index: u8, domain: Option<StoredKeyDomain>) -> Outcome {
    let response = domain.as_ref().map(status).unwrap_or_default();
    let slots = card.data.key_domains.as_mut();
    let slot = slots.and_then(|slots| slots.get_mut(usize::from(index)));
    *slot.ok_or(StatusWord::WRONG_P1P2)? = domain;
    card.dirty = true;
    Ok(response)
}

/// Status of a domain: number of shares, number of missing shares, key check value.
fn status(domain: &StoredKeyDomain) -> Vec<u8> {
    let kcv = domain.dkek().map(|dkek| dkek.kcv()).unwrap_or_default();
    [[domain.shares, domain.outstanding].as_slice(), &kcv].concat()
}
