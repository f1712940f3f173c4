//! Numbers with separators, and with their nouns. Every counted noun of the portal goes through [`count`].

use countersign_protocol::text::{digits, plural};

/// "1 file", "2 files", "20,000 entries".
pub fn count(amount: impl Into<u64>, singular: &str) -> String {
    let amount = amount.into();
    format!("{} {}", number(amount), plural(amount, singular))
}

/// Digits in English groups of three: "20,000".
pub fn number(amount: impl Into<u64>) -> String {
    digits::<u64>(amount.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(count(1_u32, "file"), "1 file");
        assert_eq!(count(0_u32, "file"), "0 files");
        assert_eq!(count(2_u32, "key"), "2 keys");
        assert_eq!(count(1_u32, "entry"), "1 entry");
        assert_eq!(count(1_234_567_u32, "entry"), "1,234,567 entries");
        assert_eq!(number(999_u32), "999");
        assert_eq!(number(1000_u32), "1,000");
    }
}
