//! A text cut into windows: pinentry takes at most 1000 bytes in one line of its protocol.

/// Splits at line ends, and long lines at characters, so that no page's encoded size passes `budget`.
pub(super) fn split(lines: &[String], budget: usize) -> Vec<String> {
    let mut pages: Vec<String> = Vec::new();
    for line in lines.iter().flat_map(|line| pieces(line, budget)) {
        match pages.last_mut() {
            Some(page) if cost(page) + cost(&line) + NEW_LINE <= budget => {
                page.push('\n');
                page.push_str(&line);
            }
            _ => pages.push(line),
        }
    }
    pages
}

/// Bytes that a text takes once escaped.
pub(super) fn cost(text: &str) -> usize {
    text.chars().map(char_cost).sum()
}

/// A line end is sent as `%0A`.
const NEW_LINE: usize = 3;

fn char_cost(c: char) -> usize {
    if matches!(c, '%' | '\n' | '\r' | '\\') {
        3
    } else {
        c.len_utf8()
    }
}

fn pieces(line: &str, budget: usize) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        if used + char_cost(c) > budget {
            out.push(String::new());
            used = 0;
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
    fn pages_hold_everything_within_the_budget() {
        let lines: Vec<String> = (0..50)
            .map(|n| format!("line {n} {}", "%é".repeat(n)))
            .collect();
        let pages = split(&lines, 60);
        assert!(pages.iter().all(|page| cost(page) <= 60));
        let joined: String = pages.concat().replace('\n', "");
        assert_eq!(joined, lines.concat());
    }

    #[test]
    fn short_text_is_one_page() {
        assert_eq!(
            split(&["a".into(), String::new(), "b".into()], 900),
            ["a\n\nb"]
        );
    }
}
