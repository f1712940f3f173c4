//! GENERAL AUTHENTICATE, which performs chip authentication and opens the secure channel.

use countersign_card::{
    apdu::{Command, StatusWord},
    secure_messaging::Channel,
};
use countersign_cvc::{
    EcPublicKey,
    tlv::{Tag, TlvWriter},
};

use super::field;
use crate::{
    card::{Card, Outcome},
    key::Secret,
};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    if !std::mem::take(&mut card.session.chip_authentication) {
        return Err(StatusWord::CONDITIONS);
    }
    let Ok(Secret::Ec(key)) = Secret::try_from(&card.data.device_key) else {
        return Err(StatusWord::ERROR);
    };
    let point = field(&command.data, 0x7C)
        .and_then(|template| field(template, 0x80))
        .ok_or(StatusWord::WRONG_DATA)?;
    let ephemeral = EcPublicKey::new(key.curve(), point).map_err(|_| StatusWord::WRONG_DATA)?;
    let secret = key.ecdh(&ephemeral).map_err(|_| StatusWord::WRONG_DATA)?;
    let mut nonce = [0; 8];
    card.fill_random(&mut nonce)?;
    let channel = Channel::derive(&secret, &nonce);
    let answer = TlvWriter::new()
        .with(Tag(0x81), &nonce)
        .with(Tag(0x82), &channel.token(&ephemeral))
        .wrap(Tag(0x7C));
    card.session.channel = Some(channel);
    Ok(answer)
}
