//! Checks where a request comes from, before the user is asked about its page.

use axum::http::{HeaderMap, Uri, Version, header, request::Parts};

use crate::{
    loopback::{names_this_machine, single_header},
    origin::Origin,
};

/// Whether a request addresses this computer by one of its loopback names. A DNS rebinding attack uses another name that
/// resolves to this computer.
pub(super) fn is_for_this_machine(parts: &Parts, port: u16) -> bool {
    matches!(parts.version, Version::HTTP_10 | Version::HTTP_11)
        && parts.uri.authority().is_none()
        && single_header(&parts.headers, header::HOST)
            .is_some_and(|host| names_this_machine(host, port))
}

/// The origin of the page, as the browser reports it. A page can hide its origin, but cannot forge it. An unencrypted page
/// from a network is treated as unknown, because anyone on the network path could have sent it.
pub(super) fn page(headers: &HeaderMap) -> Option<Origin> {
    if headers.contains_key(header::ORIGIN) {
        return single_header(headers, header::ORIGIN).and_then(|text| Origin::parse(text).ok());
    }
    let referer: Uri = single_header(headers, header::REFERER)?.parse().ok()?;
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
    fn the_page_is_the_origin_or_referer_that_the_browser_sends() {
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
    fn untrustworthy_headers_identify_no_page() {
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
