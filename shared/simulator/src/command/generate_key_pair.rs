//! The command GENERATE ASYMMETRIC KEY PAIR.

use countersign_card::apdu::{Command, StatusWord};
use countersign_cvc::{Chr, Curve, DomainParameters, issue};

use super::{field, manage_key_domain};
use crate::{
    card::{Card, Outcome},
    file::StoredKey,
    key::Secret,
};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    card.demand_keys()?;
    let reference = command.p1;
    // Only the device key (reference 0) attests new keys, and it cannot be replaced.
    if reference == 0 || command.p2 != 0 {
        return Err(StatusWord::WRONG_P1P2);
    }
    let get = |tag| field(&command.data, tag).ok_or(StatusWord::WRONG_DATA);
    let name = |tag| Chr::from_card_bytes(get(tag)?).map_err(|_| StatusWord::WRONG_DATA);
    let chr = match name(0x5F20)? {
        _ if card.data.profile.requests_name_device => card.data.device.clone(),
        requested => requested,
    };
    let car = match field(&command.data, 0x42) {
        Some(_) => name(0x42)?,
        None => chr.clone(),
    };
    let parameters = parameters(card, &command.data)?;
    let secret = generate(get(0x7F49)?)?;
    let device = card.data.device.clone();
    let device_key = Secret::try_from(&card.data.device_key).map_err(|_| StatusWord::ERROR)?;
    let request = issue::request(&car, &chr, &secret)?;
    let authenticated = issue::authenticated_request(&request, &device, &device_key)?;
    let key = StoredKey {
        secret: secret.store()?,
        algorithms: parameters.algorithms,
        uses_left: parameters.uses_left,
        domain: parameters.domain,
    };
    card.data.keys.insert(reference, key);
    card.data
        .files
        .insert(0xCE00 | u16::from(reference), hex::encode(&authenticated));
    card.dirty = true;
    Ok(authenticated)
}

/// Limits of a new key of any kind.
pub struct Parameters {
    /// Allowed algorithms in hex; `None` for the default.
    pub algorithms: Option<String>,
    /// Number of allowed uses; `None` for no limit.
    pub uses_left: Option<u32>,
    pub domain: u8,
}

pub fn parameters(card: &Card, template: &[u8]) -> Result<Parameters, StatusWord> {
    let algorithms = field(template, 0x91);
    if algorithms.is_some_and(|list| list.len() > 16) {
        return Err(StatusWord::WRONG_DATA);
    }
    let uses_left = match field(template, 0x90) {
        None | Some([0xFF, 0xFF, 0xFF, 0xFF]) => None,
        Some(counter) => Some(u32::from_be_bytes(
            counter.try_into().map_err(|_| StatusWord::WRONG_DATA)?,
        )),
    };
    Ok(Parameters {
        algorithms: algorithms.map(hex::encode),
        uses_left,
        domain: key_domain(card, field(template, 0x92))?,
    })
}

/// The domain of a new key. The default domain need not exist; without it the key cannot leave the card.
fn key_domain(card: &Card, requested: Option<&[u8]>) -> Result<u8, StatusWord> {
    match requested {
        None | Some([0]) => Ok(0),
        Some([index]) => match manage_key_domain::slot(card, *index) {
            Ok(Some(_)) => Ok(*index),
            _ => Err(StatusWord::REFERENCE_NOT_FOUND),
        },
        Some(_) => Err(StatusWord::WRONG_DATA),
    }
}

fn generate(template: &[u8]) -> Result<Secret, StatusWord> {
    let get = |tag| field(template, tag).ok_or(StatusWord::WRONG_DATA);
    // id-TA-RSA and id-TA-ECDSA differ in the ninth byte.
    match get(0x06)?.get(8) {
        Some(1) => match get(0x02)? {
            [high, low] => Secret::generate_rsa(u16::from_be_bytes([*high, *low])),
            _ => Err(StatusWord::WRONG_DATA),
        },
        Some(2) => {
            let parameters = DomainParameters {
                p: get(0x81)?,
                a: get(0x82)?,
                b: get(0x83)?,
                g: get(0x84)?,
                n: get(0x85)?,
                h: get(0x87)?,
            };
            let curve = Curve::from_parameters(&parameters).ok_or(StatusWord::NOT_SUPPORTED)?;
            Secret::generate_ec(curve)
        }
        _ => Err(StatusWord::WRONG_DATA),
    }
}
