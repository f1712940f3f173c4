//! Proxies whose word about the client is believed.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

/// Addresses of proxies.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct TrustedProxies(Vec<IpNet>);

/// Neither address nor network.
#[derive(Debug, thiserror::Error)]
#[error("trusted_proxies: `{0}` is no address and no network such as 10.0.0.0/8")]
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
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a proxy of ours has this address.
    pub fn trusts(&self, address: IpAddr) -> bool {
        // A socket for both families tells an IPv4 address as an IPv6 one.
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
    fn networks_are_read() {
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
