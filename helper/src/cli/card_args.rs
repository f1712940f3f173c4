//! Builds card sources and trust anchors from the options.

use std::sync::Arc;

use anyhow::Context;
use countersign_protocol::cvc::{AnchorKind, TrustAnchor, TrustAnchors};

use super::CardArgs;
use crate::cards::{CardSource, PcscSource};

impl CardArgs {
    pub(super) fn sources(&self) -> anyhow::Result<Vec<Arc<dyn CardSource>>> {
        #[cfg(feature = "simulator")]
        if !self.simulated_card.is_empty() {
            let mut cards = crate::cards::SimulatedSource::open(&self.simulated_card)?;
            if self.simulated_device_times {
                cards = cards.with_device_times();
            }
            return Ok(vec![Arc::new(cards), Arc::new(PcscSource)]);
        }
        Ok(vec![Arc::new(PcscSource)])
    }

    pub(super) fn anchors(&self) -> anyhow::Result<TrustAnchors> {
        let mut anchors = TrustAnchors::production();
        if self.allow_test_root {
            anchors = anchors.with_test();
        }
        for (name, file) in &self.anchor {
            let shown = file.display();
            let data =
                std::fs::read(file).with_context(|| format!("cannot read trust anchor {shown}"))?;
            let anchor = TrustAnchor::from_certificate(name, AnchorKind::Configured, &data)
                .with_context(|| format!("{shown} cannot be used as a trust anchor"))?;
            anchors = anchors.with(anchor)?;
        }
        #[cfg(feature = "simulator")]
        if self.demo {
            anchors = anchors.with_simulated(countersign_simulator::simulated_anchor()?)?;
        }
        Ok(anchors)
    }

    pub(super) fn is_demo(&self) -> bool {
        #[cfg(feature = "simulator")]
        return self.demo;
        #[cfg(not(feature = "simulator"))]
        false
    }
}
