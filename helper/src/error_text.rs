//! Error messages for the terminal.

/// Joins an error and its causes. Many messages already contain the text of their cause, which is not repeated then.
pub fn error_text(error: &anyhow::Error) -> String {
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
    fn each_cause_appears_once() {
        let error = anyhow!("refused")
            .context("not reached: refused")
            .context("reading x");
        assert_eq!(error_text(&error), "reading x: not reached: refused");
    }
}
