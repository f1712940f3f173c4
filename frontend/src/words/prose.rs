//! Texts of the server and the helper as they stand on a page.
//!
//! On the wire and in a terminal they begin with a small letter, have no full stop, and use straight quotes and backticks.
//! On a page they are whole sentences with curly quotes, and commands are set as code.

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Span {
    Text(String),
    /// What stood between backticks.
    Code(String),
}

/// The text with a capital letter, curly quotes and a full stop. Backticks stay; see [`spans`].
pub fn sentence(text: &str) -> String {
    capitalised(&clause(text))
}

/// The text with curly quotes and a full stop, for the end of a sentence.
pub fn clause(text: &str) -> String {
    let mut out = curly(text.trim());
    let end = out.trim_end_matches(['”', '’', ')']);
    if !end.is_empty() && !end.ends_with(['.', '!', '?', '…']) {
        out.push('.');
    }
    out
}

/// The text with curly quotes, for a title.
pub fn title(text: &str) -> String {
    curly(text.trim())
}

/// Splits a text at its backticks. A backtick without a partner is ordinary text.
pub fn spans(text: &str) -> Vec<Span> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, code, after)) = next_code(rest) {
        if !before.is_empty() {
            out.push(Span::Text(before.to_owned()));
        }
        out.push(Span::Code(code.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        out.push(Span::Text(rest.to_owned()));
    }
    out
}

fn next_code(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (code, after) = rest.split_once('`')?;
    Some((before, code, after))
}

/// Only an ordinary word gets a capital letter: `approvalSeconds` or `card-1` is a name and stays as it is.
fn capitalised(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or_default();
    let word = word.trim_end_matches([',', ':', ';', '.']);
    let ordinary = word
        .chars()
        .all(|c| c.is_lowercase() || matches!(c, '\'' | '’'));
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if ordinary => first.to_uppercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// Straight double quotes become curly ones, except inside code.
fn curly(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    let mut previous = ' ';
    for c in text.chars() {
        in_code ^= c == '`';
        let opens = previous.is_whitespace() || matches!(previous, '(' | '[' | '“');
        out.push(match c {
            '"' if in_code => c,
            '"' if opens => '“',
            '"' => '”',
            c => c,
        });
        previous = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_texts_become_sentences() {
        assert_eq!(sentence("this can't be done"), "This can't be done.");
        assert_eq!(sentence("Done already."), "Done already.");
        assert_eq!(
            sentence("it said \"no (really)\""),
            "It said “no (really)”."
        );
        assert_eq!(
            sentence("approvalSeconds must be 1 or more"),
            "approvalSeconds must be 1 or more."
        );
        assert_eq!(
            sentence("run `countersign sign --reason \"x\"`"),
            "Run `countersign sign --reason \"x\"`."
        );
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn backticks_mark_code() {
        assert_eq!(
            spans("Run `a b`."),
            [
                Span::Text("Run ".into()),
                Span::Code("a b".into()),
                Span::Text(".".into())
            ]
        );
        assert_eq!(spans("5` long"), [Span::Text("5` long".into())]);
    }
}
