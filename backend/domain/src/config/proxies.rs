//! The configuration's `trusted_proxies`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

/// IP addresses and networks (such as 10.0.0.0/8) of reverse proxies. The server believes their `X-Forwarded-For` or `Forwarded`
/// header about the client's address and, if `tls.client_certificates` is set, their `Client-Cert` header. Such headers from other
/// peers are ignored.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct TrustedProxies(Vec<IpNet>);

#[derive(Debug, thiserror::Error)]
#[error("trusted_proxies: `{0}` is not an IP address or a network such as 10.0.0.0/8")]
pub struct NotANetwork(String);

impl TryFrom<Vec<String>> for TrustedProxies {
    type Error = NotANetwork;

    fn try_from(texts: Vec<String>) -> Result<Self, NotANetwork> {
        let read = |text: String| {
            let address = text.parse::<IpAddr>().map(IpNet::from);
            address
                .or_else(|_| text.parse())
                .map_err(|_| NotANetwork(text))
        };
        texts
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl TrustedProxies {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is the address of a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        // A dual-stack socket reports an IPv4 address as an IPv4-mapped IPv6 address.
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str]) -> TrustedProxies {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        texts.try_into().expect("networks")
    }

    #[test]
    fn only_listed_addresses_and_networks_are_trusted() {
        let ours = proxies(&["127.0.0.1", "10.0.0.0/8"]);
        for good in ["127.0.0.1", "10.9.9.9", "::ffff:10.1.2.3"] {
            assert!(ours.trusts(good.parse().expect("an address")), "{good}");
        }
        for bad in ["127.0.0.2", "11.0.0.1", "::1"] {
            assert!(!ours.trusts(bad.parse().expect("an address")), "{bad}");
        }
        for bad in ["", "localhost", "10.0.0.0/33"] {
            assert!(
                TrustedProxies::try_from(vec![bad.to_owned()]).is_err(),
                "{bad}"
            );
        }
    }
}
