//! Who asks: what a request must look like before anybody is asked anything.

use axum::http::{HeaderMap, Uri, Version, header, request::Parts};

use crate::{
    loopback::{is_here, only},
    origin::Origin,
};

/// Whether a request came to this computer under one of its own names: another name that resolves to this computer is how DNS
/// rebinding comes in.
pub(super) fn is_for_us(parts: &Parts, port: u16) -> bool {
    matches!(parts.version, Version::HTTP_10 | Version::HTTP_11)
        && parts.uri.authority().is_none()
        && only(&parts.headers, header::HOST).is_some_and(|host| is_here(host, port))
}

/// The page, which the browser tells and the page cannot choose. It can keep it secret, though; and a page that came
/// unencrypted over a network could be anybody's.
pub(super) fn page(headers: &HeaderMap) -> Option<Origin> {
    if headers.contains_key(header::ORIGIN) {
        return only(headers, header::ORIGIN).and_then(|text| Origin::parse(text).ok());
    }
    let referer: Uri = only(headers, header::REFERER)?.parse().ok()?;
    let (scheme, authority) = (referer.scheme_str()?, referer.authority()?);
    Origin::parse(&format!("{scheme}://{authority}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        page(&map).map(|origin| origin.to_string())
    }

    #[test]
    fn the_browser_tells_who_asks() {
        let a = Some("https://a.example".to_owned());
        assert_eq!(page_of(&[("origin", "https://a.example")]), a);
        assert_eq!(page_of(&[("referer", "https://a.example/x?y=z")]), a);
        assert_eq!(
            page_of(&[
                ("origin", "https://a.example"),
                ("referer", "https://b.example/")
            ]),
            a
        );
    }

    #[test]
    fn what_cannot_be_believed_is_nobody() {
        for headers in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "null"), ("referer", "https://a.example/")],
            &[
                ("origin", "https://a.example"),
                ("origin", "https://b.example"),
            ],
            &[("referer", "http://a.example/")],
            &[("referer", "https://me@a.example/")],
            &[("referer", "about:blank")],
            &[
                ("referer", "https://a.example/"),
                ("referer", "https://b.example/"),
            ],
        ] {
            assert_eq!(page_of(headers), None, "{headers:?}");
        }
    }
}
