//! The text of a consent: facts, then warnings, then the list of files.

use super::{pages::wrap, text::printable};

/// The content of a consent prompt. All values are escaped when they are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentText {
    /// Title of the window.
    pub title: String,
    /// Label of the button that gives consent.
    pub confirm: String,
    facts: Vec<(String, String)>,
    warnings: Vec<String>,
    list: Option<ConsentList>,
    must_be_typed: bool,
}

/// Something too long for one window, such as the files of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentList {
    pub heading: String,
    /// The name of the file to write if the list is too long for windows.
    pub file_name: String,
    pub lines: Vec<String>,
}

impl ConsentText {
    /// Starts a consent. Title and button are not escaped, so they must be the helper's own text.
    pub fn new(title: &str, confirm: &str) -> Self {
        Self {
            title: title.to_owned(),
            confirm: confirm.to_owned(),
            facts: Vec::new(),
            warnings: Vec::new(),
            list: None,
            must_be_typed: false,
        }
    }

    /// Only a typed word gives this consent, because a button can be pressed by accident or out of habit.
    #[must_use]
    pub fn must_be_typed(self) -> Self {
        Self {
            must_be_typed: true,
            ..self
        }
    }

    pub const fn needs_typing(&self) -> bool {
        self.must_be_typed
    }

    /// Adds a fact. Its value may come from the server or a page.
    #[must_use]
    pub fn fact(mut self, label: &str, value: &str) -> Self {
        self.facts.push((label.to_owned(), printable(value)));
        self
    }

    #[must_use]
    pub fn warning(mut self, text: &str) -> Self {
        self.warnings.push(printable(text));
        self
    }

    /// Sets the list.
    #[must_use]
    pub fn list<'a>(
        mut self,
        heading: &str,
        file_name: &str,
        lines: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        self.list = Some(ConsentList {
            heading: heading.to_owned(),
            file_name: file_name.to_owned(),
            lines: lines
                .into_iter()
                .map(|(name, digest)| format!("{digest}  {}", printable(name)))
                .collect(),
        });
        self
    }

    /// Facts and warnings as lines that no window has to break. Labels are aligned for fixed-width fonts.
    pub fn lines(&self) -> Vec<String> {
        let facts = self.fact_lines();
        let facts = facts.iter().flat_map(|fact| wrap(fact));
        facts.chain(self.warning_lines()).collect()
    }

    /// Each fact as one line.
    fn fact_lines(&self) -> Vec<String> {
        let width = self
            .facts
            .iter()
            .map(|(label, _)| label.chars().count())
            .max()
            .unwrap_or(0);
        self.facts
            .iter()
            .map(|(label, value)| format!("{label:<width$}  {value}"))
            .collect()
    }

    /// The warnings, which are the helper's own text.
    fn warning_lines(&self) -> impl Iterator<Item = String> {
        self.warnings.iter().map(|text| format!("! {text}"))
    }

    pub fn files(&self) -> Option<&ConsentList> {
        self.list.as_ref()
    }

    /// The complete text, for terminals.
    pub fn full(&self) -> String {
        let list = self.list.as_ref().map(ConsentList::wrapped);
        self.join(self.lines(), list)
    }

    /// The complete text with each fact in one line, for tests.
    #[cfg(any(test, feature = "simulator"))]
    pub fn unwrapped(&self) -> String {
        let lines = self.fact_lines().into_iter().chain(self.warning_lines());
        self.join(
            lines.collect(),
            self.list.as_ref().map(|list| list.lines.clone()),
        )
    }

    fn join(&self, facts_and_warnings: Vec<String>, list: Option<Vec<String>>) -> String {
        let mut lines = vec![self.title.clone(), String::new()];
        lines.extend(facts_and_warnings);
        if let (Some(list), Some(list_lines)) = (&self.list, list) {
            lines.extend([String::new(), list.heading.clone()]);
            lines.extend(list_lines);
        }
        lines.join("\n")
    }
}

impl ConsentList {
    /// The lines, so that no window has to break them.
    pub(super) fn wrapped(&self) -> Vec<String> {
        self.lines.iter().flat_map(|line| wrap(line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_complete() {
        let text = ConsentText::new("Approve", "Approve")
            .fact("Requester", "Doug\nQuorum  9 of 9")
            .warning("no file list")
            .list("Files", "x", [("a\u{202E}b", "00".to_owned())]);
        assert_eq!(
            text.full(),
            "Approve\n\nRequester  Doug\\u{a}Quorum  9 of 9\n! no file list\n\nFiles\n00  a\\u{202e}b"
        );
    }
}
