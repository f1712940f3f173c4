//! Wire types as words for people.

mod activation;
mod audit;
mod hsm;

pub use activation::{purpose, state_name};
pub use audit::{actor, event_name, event_words};
pub use hsm::{certificate, hsm_state, hsm_state_name};

pub use countersign_protocol::text::{all_of as names, count, grouped};

use countersign_protocol::operator::Role;

/// "admin, custodian".
pub fn roles(roles: &[Role]) -> String {
    roles
        .iter()
        .map(|role| role.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
