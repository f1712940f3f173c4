//! Texts that look alike: forms of Unicode, piled-up marks, and letters of several scripts.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark, is_nfc};
use unicode_script::{Script, UnicodeScript};
use unicode_security::confusable_detection;

/// The most marks on one letter. Vietnamese, Hebrew and Thai need up to three.
const MOST_MARKS: usize = 4;

/// The text in Unicode's normal form C, in which equal texts have equal bytes.
pub fn normalised(text: &str) -> String {
    text.nfc().collect()
}

/// Whether the text is in Unicode's normal form C.
pub(super) fn is_normalised(text: &str) -> bool {
    is_nfc(text)
}

/// Whether a letter carries so many marks that they cover other text.
pub(super) fn has_piled_marks(text: &str) -> bool {
    let mut marks = 0;
    text.chars().any(|character| {
        marks = if is_combining_mark(character) {
            marks + 1
        } else {
            0
        };
        marks > MOST_MARKS
    })
}

/// Two texts with the same skeleton look alike (Unicode Technical Standard 39, section 4).
pub fn skeleton(text: &str) -> String {
    confusable_detection::skeleton(text).collect()
}

/// Whether people could take one text for the other.
pub fn looks_like(one: &str, other: &str) -> bool {
    skeleton(one) == skeleton(other)
}

/// Whether a word of the text mixes Latin letters with those of a script whose letters look like Latin ones.
pub(super) fn mixes_scripts(text: &str) -> bool {
    text.split(|character: char| !character.is_alphanumeric())
        .any(word_mixes_scripts)
}

fn word_mixes_scripts(word: &str) -> bool {
    let is_latin = |character: char| character.script() == Script::Latin;
    word.chars().any(is_latin) && word.chars().any(is_like_latin)
}

fn is_like_latin(character: char) -> bool {
    matches!(
        character.script(),
        Script::Cyrillic
            | Script::Greek
            | Script::Armenian
            | Script::Cherokee
            | Script::Coptic
            | Script::Lisu
    )
}

/// Calls `write` for every character, and says whether it is a letter that only looks like a Latin one of the same word.
pub(super) fn each_character(text: &str, mut write: impl FnMut(char, bool)) {
    for piece in text.split_inclusive(|character: char| !character.is_alphanumeric()) {
        let mixes = word_mixes_scripts(piece);
        for character in piece.chars() {
            write(character, mixes && is_like_latin(character));
        }
    }
}
