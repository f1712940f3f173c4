//! The command PSO VERIFY CERTIFICATE.

use countersign_card::apdu::{Command, StatusWord};
use countersign_cvc::{
    Certificate,
    tlv::{Tag, encode},
};

use crate::{
    card::{Card, Outcome},
    known_key::KnownKey,
};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    if (command.p1, command.p2) != (0x00, 0xBE) {
        return Err(StatusWord::WRONG_P1P2);
    }
    let certificate = Certificate::parse(&encode(Tag(0x7F21), &command.data))
        .map_err(|_| StatusWord::WRONG_DATA)?;
    let issuer = card
        .session
        .certificate_key
        .as_ref()
        .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    // A device attests keys but does not certify other devices.
    if !issuer.issuer || certificate.car() != &issuer.name {
        return Err(StatusWord::CONDITIONS);
    }
    certificate
        .verify_with(&issuer.key)
        .map_err(|_| StatusWord::CONDITIONS)?;
    let key = certificate
        .key()
        .resolve(issuer.key.curve())
        .map_err(|_| StatusWord::WRONG_DATA)?;
    let known = KnownKey {
        name: certificate.chr().clone(),
        key,
        issuer: KnownKey::may_issue(certificate.role()),
    };
    card.session.verified.push(known);
    Ok(Vec::new())
}
