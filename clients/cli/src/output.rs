//! Standard output: for people, or one JSON document.

use std::io::Write;

use serde::Serialize;

use crate::error::CliError;

/// Where results go.
#[derive(Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// `json`: one JSON document instead of text.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// The result: `document` as JSON, or `text` for people.
    pub fn result<T: Serialize>(self, document: &T, text: impl FnOnce() -> String) {
        if self.json {
            match serde_json::to_string_pretty(document) {
                Ok(document) => print(&document),
                Err(error) => eprintln!("countersign: the result cannot be written: {error}"),
            }
        } else {
            print(&text());
        }
    }

    /// An error.
    pub fn error(self, error: &CliError) {
        eprintln!("countersign: {error}");
        if self.json {
            self.result(&error.to_json(), String::new);
        }
    }
}

/// Not `println!`, which panics when the reader has gone.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end());
    let _ = out.flush();
}

/// Text of others for a terminal: no control sequences, no invisible or text-direction characters.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            let hidden = matches!(c,
                '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{061C}');
            if c.is_control() || hidden { '\u{FFFD}' } else { c }
        })
        .collect()
}

/// Rows under their headings, in aligned columns.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain(headings.get(column).map(|heading| heading.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let headings = headings.iter().map(|&heading| heading.to_owned()).collect();
    let mut out = String::new();
    for row in std::iter::once(&headings).chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// "1 file", "2 files".
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{number} {thing}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_write_to_the_terminal() {
        assert_eq!(
            printable("Anna\x1b[2J\u{202E}x\n"),
            "Anna\u{FFFD}[2J\u{FFFD}x\u{FFFD}"
        );
        assert_eq!(printable("Jörg Müller"), "Jörg Müller");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["a".to_owned(), "b".to_owned()],
            vec!["longer".to_owned(), String::new()],
        ];
        assert_eq!(table(&["ID", "X"], &rows), "ID      X\na       b\nlonger\n");
    }
}
