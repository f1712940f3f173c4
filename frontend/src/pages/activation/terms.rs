//! What was asked for.

use countersign_protocol::{
    activation::{ActivationTerms, HsmName},
    purpose::{Purpose, Scope},
};
use leptos::prelude::*;

use crate::{
    clock,
    components::{Digest, Fact, When},
    words,
};

/// The terms; custodians compare them with what the helper shows.
#[component]
pub fn Terms(
    /// The terms.
    terms: ActivationTerms,
) -> impl IntoView {
    let hsms: Vec<_> = terms
        .members()
        .into_iter()
        .map(|(_, hsm)| hsm_row(hsm))
        .collect();
    let lease = terms.lease;
    view! {
        <section class="card" aria-labelledby="terms">
            <h2 id="terms">"Request"</h2>
            <p class="reason">{terms.reason}</p>
            {scope(&terms.purpose)}
            <dl class="facts">
                <Fact name="Asked by">
                    {terms.requester.name} ", " <When at=terms.requested_at />
                </Fact>
                <Fact name=if hsms.len() == 1 { "HSM" } else { "HSMs" }>{hsms}</Fact>
                {key(&terms.purpose)}
                <Fact name="Lease">
                    {format!(
                        "{}, {} at most",
                        words::count(lease.signatures, "signature"),
                        clock::length(lease.seconds),
                    )}
                </Fact>
                <Fact name="Custodians may answer until">
                    <When at=terms.expires_at />
                </Fact>
            </dl>
        </section>
    }
    .into_any()
}

fn hsm_row(hsm: &HsmName) -> AnyView {
    let href = format!("/hsms/{}", hsm.id);
    view! {
        <div>
            <a href=href>{hsm.id.to_string()}</a>
            " "
            <span class="quiet">{hsm.device.to_string()}</span>
        </div>
    }
    .into_any()
}

fn scope(purpose: &Purpose) -> AnyView {
    match purpose {
        Purpose::Sign { scope: Scope::Manifest { files }, .. } => {
            let digest = files.digest().to_string();
            view! {
                <div class="scope good">
                    <strong>
                        {format!("Only {}", words::count(files.files().len() as u64, "listed file"))}
                    </strong>
                    <p>"Digest of the list; the helper shows the same:"</p>
                    <Digest hex=digest />
                </div>
            }
            .into_any()
        }
        Purpose::Sign { scope: Scope::Open, .. } => view! {
            <div class="scope wait" data-testid="scope-open">
                <strong>"Open scope"</strong>
                <p>
                    "Anything the requester sends can be signed while the lease is open. You approve the person and the limits, not the content."
                </p>
            </div>
        }
        .into_any(),
        Purpose::GenerateKey { .. } => view! {
            <div class="scope good">
                <strong>"One new key"</strong>
                <p>"The HSM makes one key and is locked again. Nothing is signed."</p>
            </div>
        }
        .into_any(),
    }
}

fn key(purpose: &Purpose) -> AnyView {
    match purpose {
        Purpose::Sign { keys, .. } => {
            let name = if keys.only().is_some() { "Key" } else { "Keys" };
            let rows: Vec<_> = keys
                .iter()
                .map(|key| {
                    let (label, fingerprint) = (key.label.clone(), key.fingerprint);
                    view! {
                        <div>
                            {label} " "
                            <code class="quiet" title=fingerprint.to_hex()>{fingerprint.short()}</code>
                        </div>
                    }
                })
                .collect();
            view! { <Fact name=name>{rows}</Fact> }.into_any()
        }
        Purpose::GenerateKey { label, key_type } => {
            let text = format!("{label}, {key_type}");
            view! { <Fact name="New key">{text}</Fact> }.into_any()
        }
    }
}
