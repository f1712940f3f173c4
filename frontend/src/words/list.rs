//! Enumerations.

/// "Anna", "Anna and Ben", "Anna, Ben and Doug".
pub fn all_of(items: &[impl AsRef<str>]) -> String {
    joined(items, "and")
}

/// "Anna", "Anna or Ben", "Anna, Ben or Doug".
pub fn one_of(items: &[impl AsRef<str>]) -> String {
    joined(items, "or")
}

fn joined(items: &[impl AsRef<str>], conjunction: &str) -> String {
    let items: Vec<_> = items.iter().map(AsRef::as_ref).collect();
    match items.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [front @ .., last] => format!("{} {conjunction} {last}", front.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conjunction_stands_before_the_last_item() {
        assert_eq!(all_of(&["A"]), "A");
        assert_eq!(all_of(&["A", "B", "C"]), "A, B and C");
        assert_eq!(one_of(&["A", "B"]), "A or B");
    }
}
