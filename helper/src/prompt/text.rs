//! Formats text and numbers for the user, and escapes text from outside.

/// Replaces everything that could mislead the reader (controls, text direction, invisible marks) by its escape.
pub fn visible(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            if misleads(c) {
                out.extend(c.escape_unicode())
            } else {
                out.push(c)
            }
            out
        })
}

fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{E000}'..='\u{F8FF}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{10FFFF}')
        || (c.is_whitespace() && c != ' ')
}

/// Hex digits in groups of four, which are easier to compare.
pub fn grouped(hex: &str) -> String {
    hex.as_bytes()
        .chunks(4)
        .map(|group| String::from_utf8_lossy(group))
        .collect::<Vec<_>>()
        .join(" ")
}

/// "1 file", "2 files".
pub fn count<N>(number: N, singular: &str, plural: &str) -> String
where
    N: std::fmt::Display + PartialEq + From<u8>,
{
    let noun = if number == N::from(1) {
        singular
    } else {
        plural
    };
    format!("{number} {noun}")
}

/// "2 h 30 min", "45 s".
pub fn duration(seconds: u32) -> String {
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let shown: Vec<_> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n} {unit}"))
        .collect();
    if shown.is_empty() {
        "0 s".to_owned()
    } else {
        shown.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misleading_characters_are_escaped() {
        assert_eq!(
            visible("a\nb\u{202E}c\u{200B}d\te"),
            "a\\u{a}b\\u{202e}c\\u{200b}d\\u{9}e"
        );
        assert_eq!(
            visible("Jörg Müller, 株式会社 100 %"),
            "Jörg Müller, 株式会社 100 %"
        );
        assert_eq!(
            visible("a\u{2003}b\u{00A0}c\u{E0041}"),
            "a\\u{2003}b\\u{a0}c\\u{e0041}"
        );
    }

    #[test]
    fn numbers_are_formatted_for_reading() {
        assert_eq!(grouped("7f3a91c022"), "7f3a 91c0 22");
        assert_eq!(duration(7200), "2 h");
        assert_eq!(duration(5445), "1 h 30 min 45 s");
        assert_eq!(duration(0), "0 s");
        assert_eq!(count(0_u8, "try", "tries"), "0 tries");
        assert_eq!(count(1_u32, "signature", "signatures"), "1 signature");
        assert_eq!(count(2_usize, "file", "files"), "2 files");
    }
}
