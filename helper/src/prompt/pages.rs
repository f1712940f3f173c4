//! Splits a text into windows, because pinentry accepts at most 1000 bytes in one line of its protocol.

/// The capacity of one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Bytes after escaping.
    pub(super) bytes: usize,
    /// Terminal lines after wrapping.
    pub(super) rows: usize,
}

/// Characters per line inside the frame of pinentry-curses.
const COLUMNS: usize = 70;
/// The beginning of every line that continues the one before. A value of the server can therefore never begin a line of its own
/// that looks like a fact of the helper.
const CONTINUED: &str = "… ";

/// Splits a line into lines of at most `COLUMNS` characters, at blanks if possible, so that no window and no terminal breaks it
/// elsewhere.
pub(super) fn wrap(line: &str) -> Vec<String> {
    let mut rest: Vec<char> = line.chars().collect();
    let mut out = Vec::new();
    loop {
        let mark = if out.is_empty() { "" } else { CONTINUED };
        let room = COLUMNS - mark.chars().count();
        let end = if rest.len() <= room {
            rest.len()
        } else {
            let blank = rest[..room].iter().rposition(|c| *c == ' ');
            blank.filter(|at| *at > room / 2).map_or(room, |at| at + 1)
        };
        out.push(mark.chars().chain(rest.drain(..end)).collect());
        if rest.is_empty() {
            return out;
        }
    }
}

/// Splits the text between lines, and long lines between characters.
pub(super) fn split(lines: &[String], size: Size) -> Vec<String> {
    let mut pages: Vec<String> = Vec::new();
    let mut used = 0;
    for line in lines.iter().flat_map(|line| pieces(line, size)) {
        let rows = rows(&line);
        match pages.last_mut() {
            Some(page)
                if cost(page) + cost(&line) + NEW_LINE <= size.bytes
                    && used + rows <= size.rows =>
            {
                page.push('\n');
                page.push_str(&line);
                used += rows;
            }
            _ => {
                pages.push(line);
                used = rows;
            }
        }
    }
    pages
}

fn rows(line: &str) -> usize {
    line.chars().count().div_ceil(COLUMNS).max(1)
}

/// The number of bytes of a text after escaping.
pub(super) fn cost(text: &str) -> usize {
    text.chars().map(char_cost).sum()
}

/// The number of bytes of a line end, which is sent as `%0A`.
const NEW_LINE: usize = 3;

fn char_cost(c: char) -> usize {
    if matches!(c, '%' | '\n' | '\r' | '\\') {
        3
    } else {
        c.len_utf8()
    }
}

fn pieces(line: &str, size: Size) -> Vec<String> {
    let budget = size.bytes.min(size.rows.saturating_mul(COLUMNS));
    let mut out = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        if used + char_cost(c) > budget {
            out.push(CONTINUED.to_owned());
            used = cost(CONTINUED);
        }
        used += char_cost(c);
        if let Some(piece) = out.last_mut() {
            piece.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_contain_the_whole_text_within_the_size() {
        let lines: Vec<String> = (0..50)
            .map(|n| format!("line {n} {}", "%é".repeat(n)))
            .collect();
        let pages = split(
            &lines,
            Size {
                bytes: 60,
                rows: usize::MAX,
            },
        );
        assert!(pages.iter().all(|page| cost(page) <= 60));
        let joined: String = pages.concat().replace('\n', "").replace(CONTINUED, "");
        assert_eq!(joined, lines.concat());
    }

    #[test]
    fn short_text_is_one_page() {
        assert_eq!(
            split(
                &["a".into(), String::new(), "b".into()],
                Size {
                    bytes: 900,
                    rows: 3
                }
            ),
            ["a\n\nb"]
        );
    }

    #[test]
    fn terminal_pages_are_limited_by_rows() {
        let lines: Vec<String> = (0..10)
            .map(|n| format!("{n}{}", "x".repeat(COLUMNS)))
            .collect();
        let pages = split(
            &lines,
            Size {
                bytes: 900,
                rows: 6,
            },
        );
        assert_eq!(pages.len(), 4);
        assert_eq!(pages.concat().replace('\n', ""), lines.concat());
    }

    #[test]
    fn every_continued_line_is_marked() {
        let lines: Vec<String> = [
            "x".repeat(500),
            format!("{}Limits  1 signature", " ".repeat(60)),
            format!("{}Limits  1 signature", "x".repeat(COLUMNS)),
            "word ".repeat(60),
            String::new(),
        ]
        .into();
        for line in &lines {
            let wrapped = wrap(line);
            assert!(wrapped.iter().all(|line| line.chars().count() <= COLUMNS));
            assert!(!wrapped[0].starts_with(CONTINUED));
            assert!(wrapped[1..].iter().all(|line| line.starts_with(CONTINUED)));
            assert_eq!(wrapped.concat().replace(CONTINUED, ""), *line);
        }
        let size = Size {
            bytes: 60,
            rows: usize::MAX,
        };
        let pages = split(&["x".repeat(500)], size);
        assert!(pages[1..].iter().all(|page| page.starts_with(CONTINUED)));
    }
}
