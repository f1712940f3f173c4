//! The terms of the request.

use countersign_protocol::{
    Timestamp,
    activation::{ActivationTerms, HsmName},
    purpose::{Purpose, Scope},
};
use leptos::prelude::*;

use crate::{
    clock,
    components::{Digest, Fact, When},
    words,
};

/// The card with the terms. Custodians compare them with the helper's window.
#[component]
pub fn Terms(
    terms: ActivationTerms,
    /// The time that matters most in the activation's state, with its name.
    milestone: (&'static str, Timestamp),
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
            <p class="reason">{words::purpose(&terms.purpose, 0)}</p>
            {scope(&terms.purpose)}
            <dl class="facts">
                <Fact name="Reason">{terms.reason}</Fact>
                <Fact name="Requester">{terms.requester.name}</Fact>
                <Fact name="Requested">
                    <When at=terms.requested_at />
                </Fact>
                <Fact name=if hsms.len() == 1 { "HSM" } else { "HSMs" }>{hsms}</Fact>
                {key(&terms.purpose)}
                <Fact name="Lease">
                    {format!(
                        "up to {}, up to {} after opening",
                        words::count(lease.signatures, "signature"),
                        clock::length(lease.seconds),
                    )}
                </Fact>
                <Fact name=milestone.0>
                    <When at=milestone.1 />
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
            let digest = files.digest();
            let manifest_words = countersign_protocol::words::of_manifest(&digest);
            view! {
                <div class="scope good">
                    <strong>
                        {format!("Only {}", words::count(files.files().len() as u64, "listed file"))}
                    </strong>
                    <p>"Manifest digest (compare with the helper's window):"</p>
                    <Digest hex=digest.to_string() />
                    <p>{manifest_words}</p>
                </div>
            }
            .into_any()
        }
        Purpose::Sign { scope: Scope::Open, .. } => view! {
            <div class="scope wait" data-testid="scope-open">
                <strong>"Any content"</strong>
                <p>
                    "Anything that the requester sends can be signed while the lease is open. You approve the person and the limits, not the content."
                </p>
            </div>
        }
        .into_any(),
        Purpose::GenerateKey { .. } => view! {
            <div class="scope good">
                <strong>"One new key"</strong>
                <p>"The HSM generates one key and locks again. No files are signed."</p>
            </div>
        }
        .into_any(),
    }
}

fn key(purpose: &Purpose) -> AnyView {
    match purpose {
        Purpose::Sign { keys, .. } => {
            let heading = if keys.only().is_some() { "Key" } else { "Keys" };
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
            view! { <Fact name=heading>{rows}</Fact> }.into_any()
        }
        Purpose::GenerateKey { label, key_type } => {
            let text = format!("{label}, {key_type}");
            view! { <Fact name="New key">{text}</Fact> }.into_any()
        }
    }
}
