//! Text for people: which characters can mislead a reader, how text from elsewhere is displayed, and how numbers and
//! lists are put into words.

mod lookalike;

pub use lookalike::{looks_like, normalised, skeleton};

/// Whether a character can make a text look like another one: controls, text direction, invisible marks, blanks other
/// than the space, and characters that have no agreed appearance.
pub const fn misleads(character: char) -> bool {
    matches!(character,
        // C0 and C1 controls.
        '\u{0000}'..='\u{001F}' | '\u{007F}'..='\u{009F}'
        // Blanks that look like a space, a line break, or nothing.
        | '\u{00A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{2028}'..='\u{2029}' | '\u{202F}' | '\u{205F}'
        | '\u{2800}' | '\u{3000}'
        // Marks and fillers that most fonts do not draw.
        | '\u{00AD}' | '\u{034F}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2065}' | '\u{206A}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        // Text direction.
        | '\u{061C}' | '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
        // Private use, tags and variation selectors.
        | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{10FFFF}')
}

/// The text with an escape such as `\u{202e}` in place of every character that [`misleads`], and of every letter that looks like
/// a Latin one beside Latin letters of the same word, so that it can be displayed in a terminal or a window.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    lookalike::each_character(text, |character, imitates| {
        if imitates || misleads(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    });
    out
}

/// The longest that a text may be; see [`crate::limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Longest {
    /// A number of bytes in UTF-8.
    Bytes(usize),
    /// A number of Unicode characters.
    Characters(usize),
}

impl Longest {
    /// The length of the text, in the unit of this limit.
    fn measure(self, text: &str) -> usize {
        match self {
            Self::Bytes(_) => text.len(),
            Self::Characters(_) => text.chars().count(),
        }
    }

    const fn value(self) -> usize {
        match self {
            Self::Bytes(longest) | Self::Characters(longest) => longest,
        }
    }
}

/// The number and the unit, such as "500 bytes".
impl std::fmt::Display for Longest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self {
            Self::Bytes(_) => "byte",
            Self::Characters(_) => "character",
        };
        f.write_str(&count(self.value(), unit))
    }
}

/// Why a text cannot be shown to people. The message continues a sentence that begins with the name of the text, such as
/// "the reason is empty".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableText {
    /// The text has no characters, or blanks only.
    #[error("is empty")]
    Empty,
    /// The text exceeds its limit.
    #[error("is too long: its length is {length}, and the limit is {longest}")]
    TooLong {
        /// The length, in the unit of the limit.
        length: usize,
        /// The limit.
        longest: Longest,
    },
    /// The text contains a character that [`misleads`].
    #[error("contains the {} U+{:04X}, which could mislead readers", kind(*.0), u32::from(*.0))]
    Misleading(char),
    /// The text begins or ends with a space, which nobody sees.
    #[error("begins or ends with a space")]
    OuterSpace,
    /// The text is not in normal form C, so that another text with other bytes looks the same.
    #[error(
        "is not in Unicode normal form C (NFC), so another text could look the same: write its accented letters as one character each"
    )]
    NotNormalised,
    /// A word of the text has letters that only look like its other ones.
    #[error("mixes Latin letters with letters of another script that look like them in one word")]
    MixedScripts,
    /// A letter has so many marks that they cover other text.
    #[error("has too many accents or other marks on one letter")]
    PiledMarks,
}

const fn kind(character: char) -> &'static str {
    match character {
        '\u{0000}'..='\u{001F}' | '\u{007F}'..='\u{009F}' => "control character",
        '\u{061C}'
        | '\u{200E}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2066}'..='\u{2069}' => "text direction character",
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' => "private use character",
        _ => "invisible or blank character",
    }
}

/// Checks that people can read a text without being misled: it is not blank, not too long, none of its characters
/// [`misleads`], it has no space at its beginning or end, is in normal form C, and has no piled-up marks.
///
/// # Errors
/// The first of these rules that the text breaks.
pub fn check(text: &str, longest: Longest) -> Result<(), UnreadableText> {
    if text.trim().is_empty() {
        return Err(UnreadableText::Empty);
    }
    check_length(text, longest)?;
    if let Some(character) = text.chars().find(|character| misleads(*character)) {
        return Err(UnreadableText::Misleading(character));
    }
    if text.trim() != text {
        return Err(UnreadableText::OuterSpace);
    }
    if !lookalike::is_normalised(text) {
        return Err(UnreadableText::NotNormalised);
    }
    if lookalike::has_piled_marks(text) {
        return Err(UnreadableText::PiledMarks);
    }
    Ok(())
}

/// Checks a name that people choose for a person, a key or a token, as [`check`] does. A name must also not mix scripts in a
/// word, because people recognise each other and their keys by it.
///
/// # Errors
/// The first rule that the name breaks.
pub fn check_name(name: &str, longest: Longest) -> Result<(), UnreadableText> {
    check(name, longest)?;
    if lookalike::mixes_scripts(name) {
        return Err(UnreadableText::MixedScripts);
    }
    Ok(())
}

/// Checks only that a text is not too long.
///
/// # Errors
/// [`UnreadableText::TooLong`].
pub fn check_length(text: &str, longest: Longest) -> Result<(), UnreadableText> {
    let length = longest.measure(text);
    if length > longest.value() {
        return Err(UnreadableText::TooLong { length, longest });
    }
    Ok(())
}

/// A number with its noun, such as "1 file", "3 entries" or "20,000 files".
pub fn count<N: Copy + std::fmt::Display + TryInto<u64>>(number: N, singular: &str) -> String {
    format!("{} {}", digits(number), plural(number, singular))
}

/// A number with its digits in English groups of three, such as "20,000".
pub fn digits<N: std::fmt::Display>(number: N) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The noun alone, in the form that goes with the number: "file" with 1, "files" with 2.
pub fn plural<N: TryInto<u64>>(number: N, singular: &str) -> String {
    if matches!(number.try_into(), Ok(1)) {
        return singular.to_owned();
    }
    match singular.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{singular}s"),
    }
}

/// "Anna", "Anna and Ben", "Anna, Ben and Carla".
pub fn all_of<S: AsRef<str>>(names: &[S]) -> String {
    list(names, "and")
}

/// "Anna", "Anna or Ben", "Anna, Ben or Carla".
pub fn any_of<S: AsRef<str>>(names: &[S]) -> String {
    list(names, "or")
}

fn list<S: AsRef<str>>(names: &[S], conjunction: &str) -> String {
    let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [front @ .., last] => format!("{} {conjunction} {last}", front.join(", ")),
    }
}

/// A duration such as "2 h 30 min" or "45 s".
pub fn duration(seconds: impl Into<u64>) -> String {
    let seconds = seconds.into();
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let shown: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    if shown.is_empty() {
        "0 s".to_owned()
    } else {
        shown.join(" ")
    }
}

/// Hexadecimal digits in groups of four, which people can compare.
pub fn grouped(hex: &str) -> String {
    let mut out = String::with_capacity(hex.len() + hex.len() / 4);
    for (index, digit) in hex.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// The text with a capital letter at its beginning.
pub fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + characters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every range of characters that can hide, reorder or imitate text, with its first and last member.
    const MISLEADING: [(char, char); 34] = [
        ('\u{0000}', '\u{001F}'),
        ('\u{007F}', '\u{009F}'),
        ('\u{00A0}', '\u{00A0}'),
        ('\u{00AD}', '\u{00AD}'),
        ('\u{034F}', '\u{034F}'),
        ('\u{061C}', '\u{061C}'),
        ('\u{115F}', '\u{1160}'),
        ('\u{1680}', '\u{1680}'),
        ('\u{17B4}', '\u{17B5}'),
        ('\u{180B}', '\u{180F}'),
        ('\u{2000}', '\u{200A}'),
        ('\u{200B}', '\u{200F}'),
        ('\u{2028}', '\u{2029}'),
        ('\u{202A}', '\u{202E}'),
        ('\u{202F}', '\u{202F}'),
        ('\u{205F}', '\u{205F}'),
        ('\u{2060}', '\u{206F}'),
        ('\u{2800}', '\u{2800}'),
        ('\u{3000}', '\u{3000}'),
        ('\u{3164}', '\u{3164}'),
        ('\u{E000}', '\u{F8FF}'),
        ('\u{FE00}', '\u{FE0F}'),
        ('\u{FEFF}', '\u{FEFF}'),
        ('\u{FFA0}', '\u{FFA0}'),
        ('\u{FFF0}', '\u{FFF8}'),
        ('\u{FFF9}', '\u{FFFB}'),
        ('\u{1BCA0}', '\u{1BCA3}'),
        ('\u{1D173}', '\u{1D17A}'),
        ('\u{E0000}', '\u{E0001}'),
        ('\u{E0020}', '\u{E007F}'),
        ('\u{E0100}', '\u{E01EF}'),
        ('\u{E01F0}', '\u{E0FFF}'),
        ('\u{F0000}', '\u{FFFFD}'),
        ('\u{100000}', '\u{10FFFD}'),
    ];

    const SHORT: Longest = Longest::Bytes(100);

    #[test]
    fn misleading_characters_are_rejected_and_escaped() {
        for (first, last) in MISLEADING {
            for character in first..=last {
                let text = format!("a{character}b");
                assert_eq!(
                    check(&text, SHORT),
                    Err(UnreadableText::Misleading(character)),
                    "U+{:04X}",
                    u32::from(character)
                );
                assert_eq!(
                    printable(&text),
                    format!("a\\u{{{:x}}}b", u32::from(character))
                );
            }
        }
    }

    #[test]
    fn every_blank_and_control_character_but_the_space_misleads() {
        for character in '\u{0}'..=char::MAX {
            let blank = character.is_whitespace() || character.is_control();
            assert!(
                !blank || character == ' ' || misleads(character),
                "U+{:04X}",
                u32::from(character)
            );
        }
    }

    #[test]
    fn ordinary_text_is_accepted_and_displayed_unchanged() {
        for text in [
            "Firmware 4.2.1",
            "out/a b (copy) [1].tar.gz",
            "Jörg Müller, François, Łukasz",
            "Ελένη, Николай, שרה, محمد, देव, ไทย",
            "株式会社 100 %",
            "№ 5 – “release” … €",
            "🚀",
            "\u{FFFD}",
        ] {
            assert_eq!(check(text, SHORT), Ok(()), "{text:?}");
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn texts_that_look_like_another_one_are_rejected() {
        for (text, why) in [
            (" boot.bin", UnreadableText::OuterSpace),
            ("boot.bin ", UnreadableText::OuterSpace),
            ("Jo\u{0308}rg", UnreadableText::NotNormalised),
            // Angstrom sign and letter.
            ("\u{212B}", UnreadableText::NotNormalised),
            (
                "a\u{0316}\u{0317}\u{0318}\u{0319}\u{031C}",
                UnreadableText::PiledMarks,
            ),
        ] {
            assert_eq!(check(text, SHORT), Err(why), "{text:?}");
        }
        assert_eq!(check(&normalised("Jo\u{0308}rg"), SHORT), Ok(()));
    }

    #[test]
    fn letters_that_imitate_latin_ones_are_marked() {
        assert_eq!(printable("b\u{043E}ot.bin"), "b\\u{43e}ot.bin");
        assert_eq!(
            check_name("b\u{043E}ot.bin", SHORT),
            Err(UnreadableText::MixedScripts)
        );
        for honest in ["Отчёт_v2.pdf", "PDFファイル", "5 µm", "Ελένη and Anna"] {
            assert_eq!(printable(honest), honest);
            assert_eq!(check_name(honest, SHORT), Ok(()), "{honest}");
        }
        assert_eq!(skeleton("b\u{043E}ot.bin"), skeleton("boot.bin"));
    }

    #[test]
    fn a_rejected_text_is_explained() {
        let explain = |text, longest| check(text, longest).unwrap_err().to_string();
        assert_eq!(explain(" ", SHORT), "is empty");
        assert_eq!(
            explain("äöü", Longest::Bytes(5)),
            "is too long: its length is 6, and the limit is 5 bytes"
        );
        assert_eq!(
            explain("äöü", Longest::Characters(2)),
            "is too long: its length is 3, and the limit is 2 characters"
        );
        assert_eq!(
            explain("gnp.\u{202E}exe", SHORT),
            "contains the text direction character U+202E, which could mislead readers"
        );
        assert_eq!(
            explain("a\nb", SHORT),
            "contains the control character U+000A, which could mislead readers"
        );
    }

    #[test]
    fn limits_include_their_last_value() {
        assert_eq!(check("äöü", Longest::Bytes(6)), Ok(()));
        assert_eq!(check("äöü", Longest::Characters(3)), Ok(()));
    }

    #[test]
    fn nouns_agree_with_their_number() {
        assert_eq!(count(1_u8, "file"), "1 file");
        assert_eq!(count(0_u32, "file"), "0 files");
        assert_eq!(count(2_usize, "listed file"), "2 listed files");
        assert_eq!(count(2_i64, "day"), "2 days");
        assert_eq!(count(3_u64, "entry"), "3 entries");
        assert_eq!(count(20_000_u32, "file"), "20,000 files");
        assert_eq!(count(1_234_567_u32, "file"), "1,234,567 files");
        assert_eq!(count(999_u32, "file"), "999 files");
        assert_eq!(count(2, "PIN try"), "2 PIN tries");
        assert_eq!(count(1, "PIN try"), "1 PIN try");
        assert_eq!(plural(1, "key"), "key");
        assert_eq!(plural(2, "key"), "keys");
    }

    #[test]
    fn lists_end_in_a_conjunction() {
        assert_eq!(all_of::<&str>(&[]), "");
        assert_eq!(all_of(&["Anna"]), "Anna");
        assert_eq!(all_of(&["Anna", "Ben"]), "Anna and Ben");
        assert_eq!(any_of(&["Anna", "Ben", "Carla"]), "Anna, Ben or Carla");
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(grouped("7f3a91c022"), "7f3a 91c0 22");
        for (seconds, text) in [
            (0_u32, "0 s"),
            (1, "1 s"),
            (300, "5 min"),
            (390, "6 min 30 s"),
            (5400, "1 h 30 min"),
            (5445, "1 h 30 min 45 s"),
            (7200, "2 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(capitalised("sign 1 file"), "Sign 1 file");
        assert_eq!(capitalised(""), "");
    }
}
