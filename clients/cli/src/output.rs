//! Standard output: for people, or one JSON document.

use std::io::Write;

pub use countersign_client::words::{count, printable};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["a".to_owned(), "b".to_owned()],
            vec!["longer".to_owned(), String::new()],
        ];
        assert_eq!(table(&["ID", "X"], &rows), "ID      X\na       b\nlonger\n");
    }
}
