//! Wire types and server texts as words for people.

mod activation;
mod audit;
mod count;
mod hsm;
mod list;
mod prose;
mod role;

pub use activation::{
    approvals, end_sentence, key_names, mechanism_name, more_approvals, purpose, state_name,
};
pub use audit::{actor, audit_names, event_name, event_words};
pub use count::{count, number};
pub use hsm::{certificate, hsm_state, hsm_state_name};
pub use list::{all_of, one_of};
pub use prose::{Span, clause, sentence, spans};
pub use role::{role_name, roles};

/// Hex digits in groups of four, which people can compare.
pub fn grouped(hex: &str) -> String {
    let mut out = String::with_capacity(hex.len() + hex.len() / 4);
    for (index, digit) in hex.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_digits_are_grouped_by_four() {
        assert_eq!(grouped("0011223344"), "0011 2233 44");
    }
}
