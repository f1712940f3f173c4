//! GET CHALLENGE.

use countersign_card::apdu::{Command, StatusWord};

use crate::card::{Card, Outcome};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    let mut challenge = vec![0; command.le.map_or(256, |le| le.bytes()).min(1024)];
    getrandom::fill(&mut challenge).map_err(|_| StatusWord::ERROR)?;
    if card.data.profile.challenge_resets {
        // Access that was granted stays; only the count is forgotten.
        card.session.authenticated.clear();
    }
    card.session.challenge = Some(challenge.clone());
    Ok(challenge)
}
