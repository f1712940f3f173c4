//! URL paths of the API.

/// Percent-encodes all but unreserved characters (RFC 3986) and encodes dots too, so that an id is always exactly one
/// segment of the path.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_id_is_one_path_segment() {
        assert_eq!(super::segment("8K3F-2"), "8K3F-2");
        assert_eq!(super::segment("../audit?x"), "%2E%2E%2Faudit%3Fx");
        assert_eq!(super::segment("ü"), "%C3%BC");
    }
}
