//! Collects the trust anchors that the configuration allows.

use anyhow::Context;
use countersign_protocol::cvc::{AnchorKind, TrustAnchor, TrustAnchors};

use crate::config::Config;

/// Returns CardContact's production root and the configured anchors, and in demo mode the simulator's root as well.
///
/// # Errors
/// A configured file cannot be read, or is not a trust anchor.
pub fn anchors(config: &Config) -> anyhow::Result<TrustAnchors> {
    let mut anchors = TrustAnchors::production();
    if config.cardcontact_test_root {
        anchors = anchors.with_test();
    }
    for anchor in &config.anchors {
        let data = std::fs::read(&anchor.file)
            .with_context(|| format!("cannot read the trust anchor {}", anchor.file.display()))?;
        let anchor = TrustAnchor::from_certificate(&anchor.name, AnchorKind::Configured, &data)
            .with_context(|| format!("{} is not a trust anchor", anchor.file.display()))?;
        anchors = anchors.with(anchor)?;
    }
    #[cfg(feature = "simulator")]
    if config.demo {
        anchors = anchors.with_simulated(countersign_simulator::simulated_anchor()?)?;
    }
    Ok(anchors)
}
