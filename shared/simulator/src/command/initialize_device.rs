//! The command INITIALIZE DEVICE.

use countersign_card::apdu::{Command, StatusWord};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::field;
use crate::{
    card::{Card, Outcome},
    dkek,
    file::{StoredPin, StoredPka},
    key_domain::StoredKeyDomain,
    session::Session,
};

const SO_PIN_TRIES: u8 = 15;
const MAX_KEY_DOMAINS: u8 = 16;
/// Bit of the option word.
const TRANSPORT_PIN: u16 = 0x0002;

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    if command.data.is_empty() {
        // Free memory, followed by the version in the last two bytes.
        return Ok(vec![0x00, 0x01, 0x2C, 0x00, 0x00, 3, 5]);
    }
    let get = |tag| field(&command.data, tag);
    let Some([high, low]) = get(0x80) else {
        return Err(StatusWord::WRONG_DATA);
    };
    let Some(so_pin @ [_, _, _, _, _, _, _, _]) = get(0x82) else {
        return Err(StatusWord::WRONG_DATA);
    };
    // Biometrics are not implemented.
    if [0x95, 0x96].map(get) != [None; 2] {
        return Err(StatusWord::WRONG_DATA);
    }
    let key_domains = key_domains(card, get(0x92), get(0x97))?;
    let options = u16::from_be_bytes([*high, *low]);
    let user_pin = match (get(0x81), get(0x91)) {
        (None, None) => None,
        (Some(pin), Some([counter])) => {
            let max = match pin.len() {
                6 => 3,
                7 => 5,
                8..=16 => 10,
                _ => return Err(StatusWord::WRONG_DATA),
            };
            if !(1..=max).contains(counter) {
                return Err(StatusWord::WRONG_DATA);
            }
            Some(StoredPin {
                transport: options & TRANSPORT_PIN != 0,
                ..StoredPin::new(pin, *counter)
            })
        }
        _ => return Err(StatusWord::WRONG_DATA),
    };
    let pka = match get(0x93) {
        None => None,
        Some([total, required]) if (1..=*total).contains(required) && *total <= 90 => {
            Some(StoredPka {
                total: *total,
                required: *required,
                keys: Vec::new(),
            })
        }
        Some(_) => return Err(StatusWord::WRONG_DATA),
    };
    if user_pin.is_none() && pka.is_none() {
        return Err(StatusWord::WRONG_DATA);
    }
    check_so_pin(card, so_pin)?;
    card.data.options = options;
    card.data.user_pin = user_pin;
    card.data.so_pin = Some(StoredPin::new(so_pin, SO_PIN_TRIES));
    card.data.pka = pka;
    card.data.key_domains = key_domains;
    card.data.keys.clear();
    card.data.files.clear();
    card.dirty = true;
    card.session = Session {
        selected: true,
        initialising: card.data.profile.open_after_initialize,
        ..Session::default()
    };
    Ok(Vec::new())
}

/// Creates one key domain whose DKEK has this number of shares, or this number of empty slots.
fn key_domains(
    card: &mut Card,
    shares: Option<&[u8]>,
    slots: Option<&[u8]>,
) -> Result<Option<Vec<Option<StoredKeyDomain>>>, StatusWord> {
    match (shares, slots) {
        (None, None) if card.data.profile.default_key_domain => {
            Ok(Some(vec![Some(StoredKeyDomain::awaiting(0))]))
        }
        (None, None) => Ok(None),
        (Some([0]), None) => {
            let mut key = Zeroizing::new([0; dkek::LENGTH]);
            card.fill_random(key.as_mut())?;
            Ok(Some(vec![Some(StoredKeyDomain::with_dkek(&key))]))
        }
        (Some([shares]), None) => Ok(Some(vec![Some(StoredKeyDomain::awaiting(*shares))])),
        (None, Some([slots @ 1..=MAX_KEY_DOMAINS])) => Ok(Some(vec![None; usize::from(*slots)])),
        _ => Err(StatusWord::WRONG_DATA),
    }
}

fn check_so_pin(card: &mut Card, given: &[u8]) -> Result<(), StatusWord> {
    match &mut card.data.so_pin {
        Some(stored) if card.data.profile.checks_so_pin => {
            if stored.tries == 0 {
                return Err(StatusWord::BLOCKED);
            }
            stored.tries -= 1;
            card.dirty = true;
            if bool::from(stored.bytes().ct_eq(given)) {
                return Ok(());
            }
            Err(StatusWord::with_tries(stored.tries))
        }
        _ => Ok(()),
    }
}
