//! The command GET CHALLENGE.

use countersign_card::apdu::Command;

use crate::card::{Card, Outcome};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    let mut challenge = vec![0; command.le.map_or(256, |le| le.bytes()).min(1024)];
    card.fill_random(&mut challenge)?;
    if card.data.profile.challenge_resets {
        // Access that has been granted remains, and only the count is discarded.
        card.session.authenticated.clear();
    }
    // A longer result serves as random data only and is not stored as a challenge.
    card.session.challenge = (challenge.len() <= 256).then(|| challenge.clone());
    Ok(challenge)
}
