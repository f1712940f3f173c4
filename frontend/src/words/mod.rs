//! Wire types as words for people.

mod activation;
mod audit;
mod hsm;

pub use activation::{purpose, state_name};
pub use audit::{actor, event_name, event_words};
pub use hsm::{certificate, hsm_state, hsm_state_name};

use countersign_protocol::operator::Role;

/// "1 file", "2 files".
pub fn count(number: impl Into<u64>, singular: &str) -> String {
    match number.into() {
        1 => format!("1 {singular}"),
        number => format!("{number} {singular}s"),
    }
}

/// "admin, custodian".
pub fn roles(roles: &[Role]) -> String {
    roles
        .iter()
        .map(|role| role.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// "Anna", "Anna and Ben", "Anna, Ben and Doug".
pub fn names(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}

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
    fn lists_and_counts() {
        assert_eq!(count(1_u32, "file"), "1 file");
        assert_eq!(count(0_u32, "file"), "0 files");
        assert_eq!(names(&["A".into(), "B".into(), "C".into()]), "A, B and C");
        assert_eq!(grouped("0011223344"), "0011 2233 44");
    }
}
