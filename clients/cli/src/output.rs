//! Results on standard output, as text or as one JSON document.

use std::io::Write;

pub use countersign_client::words::{all_of, any_of, count, printable};
use serde::Serialize;

use crate::error::CliError;

#[derive(Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints the result, as the JSON `document` or as `text`.
    pub fn result<T: Serialize>(self, document: &T, text: impl FnOnce() -> String) {
        if self.json {
            match serde_json::to_string_pretty(document) {
                Ok(document) => print(&document),
                Err(error) => eprintln!("countersign: cannot write the result as JSON: {error}"),
            }
        } else {
            print(&text());
        }
    }

    /// Prints an error on standard error, and with `--json` also on standard output.
    pub fn error(self, error: &CliError) {
        eprintln!("countersign: {error}");
        if self.json {
            self.result(&error.to_json(), String::new);
        }
    }
}

/// Prints without `println!`, which would panic if the reader of a pipe has exited.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end());
    let _ = out.flush();
}

/// Formats rows under their headings in aligned columns.
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
