//! The text of a consent: facts, then warnings, then the list of files.

use super::text::printable;

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
        }
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

    /// Facts and warnings as lines; labels are aligned for fixed-width fonts.
    pub fn lines(&self) -> Vec<String> {
        let width = self
            .facts
            .iter()
            .map(|(label, _)| label.chars().count())
            .max()
            .unwrap_or(0);
        let facts = self
            .facts
            .iter()
            .map(|(label, value)| format!("{label:<width$}  {value}"));
        let warnings = self.warnings.iter().map(|text| format!("! {text}"));
        facts.chain(warnings).collect()
    }

    pub fn files(&self) -> Option<&ConsentList> {
        self.list.as_ref()
    }

    /// The complete text, for terminals and tests.
    pub fn full(&self) -> String {
        let mut lines = vec![self.title.clone(), String::new()];
        lines.extend(self.lines());
        if let Some(list) = &self.list {
            lines.extend([String::new(), list.heading.clone()]);
            lines.extend(list.lines.iter().cloned());
        }
        lines.join("\n")
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
