//! Wire types and server texts as words for people.

mod act;
mod activation;
mod audit;
mod count;
mod hsm;
mod prose;
mod role;

pub use act::{act_end, act_state_name};
pub use activation::{
    approvals, end_sentence, mechanism_name, more_approvals, purpose, state_name,
};
pub use audit::{actor, audit_names, event_name, event_words};
pub use count::{count, number};
pub use hsm::{certificate, hsm_state, hsm_state_name};
pub use prose::{Span, clause, sentence, spans, title};
pub use role::{role_name, roles};

pub use countersign_protocol::text::{all_of, any_of, grouped};
