//! GET CHALLENGE.

use countersign_card::apdu::Command;

use crate::card::{Card, Outcome};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    let mut challenge = vec![0; command.le.map_or(256, |le| le.bytes()).min(1024)];
    card.draw(&mut challenge)?;
    if card.data.profile.challenge_resets {
        // Access that was granted stays; only the count is forgotten.
        card.session.authenticated.clear();
    }
    // Longer ones are random numbers, and leave no challenge.
    card.session.challenge = (challenge.len() <= 256).then(|| challenge.clone());
    Ok(challenge)
}
