//! Finds the client behind trusted proxies by the headers that they add.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};

use crate::config::TrustedProxies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of a request that came from the trusted proxy `direct`: the last address in the headers that is not a trusted proxy.
/// The addresses before it are claims of the client itself.
pub fn client(proxies: &TrustedProxies, direct: IpAddr, headers: &HeaderMap) -> IpAddr {
    let by_x = hops(headers, &X_FORWARDED_FOR, x_forwarded_for);
    let by_standard = hops(headers, &header::FORWARDED, forwarded);
    match (by_x, by_standard) {
        (Some(hops), None) | (None, Some(hops)) => walk(proxies, direct, &hops),
        // A proxy that sets only one of the headers may pass the client's own value of the other one on.
        (Some(one), Some(other))
            if walk(proxies, direct, &one) == walk(proxies, direct, &other) =>
        {
            walk(proxies, direct, &one)
        }
        _ => direct,
    }
}

fn walk(proxies: &TrustedProxies, direct: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
    let mut client = direct;
    for hop in hops.iter().rev() {
        // The address is hidden or malformed, so the proxy that added it is the last known address.
        let Some(address) = hop else { break };
        client = address.to_canonical();
        if !proxies.trusts(client) {
            break;
        }
    }
    client
}

/// The addresses in all headers of this name, that of the nearest proxy last; `None` without such a header.
fn hops(
    headers: &HeaderMap,
    name: &HeaderName,
    read: fn(&str) -> Option<IpAddr>,
) -> Option<Vec<Option<IpAddr>>> {
    headers.contains_key(name).then(|| {
        headers
            .get_all(name)
            .iter()
            .flat_map(|value| value.to_str().unwrap_or_default().split(','))
            .map(|element| read(element.trim()))
            .collect()
    })
}

/// The address in an element of `X-Forwarded-For`, to which some proxies add the port.
fn x_forwarded_for(element: &str) -> Option<IpAddr> {
    node(element)
}

/// The address in the `for` parameter of an element of `Forwarded` (RFC 7239).
fn forwarded(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for")
            .then(|| node(value.trim().trim_matches('"')))?
    })
}

/// Parses an address with or without brackets and port.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        return Some(socket.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str]) -> TrustedProxies {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        texts.try_into().expect("networks")
    }

    fn client(headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        let direct = "127.0.0.1".parse().expect("an address");
        let ours = proxies(&["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"]);
        super::client(&ours, direct, &map).to_string()
    }

    #[test]
    fn the_last_address_that_is_not_a_trusted_proxy_is_the_client() {
        let x = "x-forwarded-for";
        assert_eq!(client(&[]), "127.0.0.1");
        assert_eq!(client(&[(x, "192.0.2.1")]), "192.0.2.1");
        // The first address is a claim of the client itself.
        assert_eq!(
            client(&[(x, "198.51.100.7, 192.0.2.1, 10.1.1.1")]),
            "192.0.2.1"
        );
        assert_eq!(
            client(&[(x, "198.51.100.7"), (x, "192.0.2.1")]),
            "192.0.2.1"
        );
        assert_eq!(client(&[(x, "192.0.2.1:4711")]), "192.0.2.1");
        assert_eq!(client(&[(x, "::ffff:192.0.2.1")]), "192.0.2.1");
        // If all addresses are trusted proxies, the farthest one made the request itself.
        assert_eq!(client(&[(x, "10.2.2.2, 10.1.1.1")]), "10.2.2.2");
        assert_eq!(client(&[(x, "192.0.2.1, unknown, 10.1.1.1")]), "10.1.1.1");
        assert_eq!(client(&[(x, "")]), "127.0.0.1");
    }

    #[test]
    fn the_client_is_read_from_the_standard_forwarded_header() {
        let f = "forwarded";
        assert_eq!(client(&[(f, "for=192.0.2.1;proto=https")]), "192.0.2.1");
        assert_eq!(
            client(&[(
                f,
                "for=1.1.1.1, proto=https;For=\"[2001:db8::7]:4711\", for=\"[2001:db8:1::1]\""
            )]),
            "2001:db8::7"
        );
        assert_eq!(client(&[(f, "for=192.0.2.1, for=_hidden")]), "127.0.0.1");
    }

    #[test]
    fn headers_that_contradict_each_other_are_ignored() {
        let x = ("x-forwarded-for", "192.0.2.1");
        assert_eq!(client(&[x, ("forwarded", "for=192.0.2.1")]), "192.0.2.1");
        assert_eq!(client(&[x, ("forwarded", "for=198.51.100.7")]), "127.0.0.1");
    }
}
