//! Errors for people.

/// An error with its causes. Many messages hold those of their causes already; none is said twice.
pub fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_cause_is_told_once() {
        let error = anyhow!("refused")
            .context("not reached: refused")
            .context("reading x");
        assert_eq!(told(&error), "reading x: not reached: refused");
    }
}
