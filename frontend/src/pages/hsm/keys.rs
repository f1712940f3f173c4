//! Keys on the HSM.

use countersign_protocol::{
    hsm::{HsmView, SigningKeyView},
    id::HsmId,
    mechanism::Mechanism,
    operator::Role,
};
use leptos::prelude::*;

use super::{generate::GenerateForm, key_settings::KeySettingsForm};
use crate::{
    components::{Badge, Digest, Disclosure, Rows},
    portal::Portal,
    words,
};

/// The card with the keys, and the form for a new one.
#[component]
pub fn Keys(id: HsmId, view: Memo<Option<HsmView>>) -> impl IntoView {
    let portal = Portal::here();
    let open = RwSignal::new(false);
    let keys = Memo::new(move |_| {
        view.with(|view| {
            view.as_ref()
                .map_or_else(Vec::new, |view| view.keys.clone())
        })
    });
    let complete = Memo::new(move |_| {
        let pka = view.with(|view| view.as_ref().and_then(|view| view.pka));
        pka.is_some_and(|pka| pka.missing == 0)
    });
    let id = StoredValue::new(id);
    view! {
        <section class="card" aria-labelledby="keys">
            <h2 id="keys">"Keys"</h2>
            {move || {
                keys.with(Vec::is_empty)
                    .then(|| {
                        let next = if complete.get() {
                            "No keys yet. An admin can request the first one here."
                        } else {
                            "No keys yet. Register all custodians first."
                        };
                        view! { <p class="quiet">{next}</p> }
                    })
            }}
            <ul class="answers">
                <Rows
                    items=keys
                    key=|key| format!("{} {} {}", key.id, key.fingerprint.to_hex(), key.label)
                    row=move |key| row(key, portal.is(Role::Admin))
                />
            </ul>
            {move || {
                (complete.get() && portal.is(Role::Admin))
                    .then(|| {
                        view! {
                            <Disclosure open=open label="Request new key…" testid="genkey-open">
                                <GenerateForm hsm=id.get_value() />
                            </Disclosure>
                        }
                    })
            }}
        </section>
    }
    .into_any()
}

fn row(key: Memo<SigningKeyView>, admin: bool) -> AnyView {
    // Label and fingerprint are part of the row's key, so they never change within a row.
    let (label, fingerprint) =
        key.with_untracked(|key| (key.label.clone(), key.fingerprint.to_hex()));
    view! {
        <li data-testid=format!("key-{label}")>
            <span class="answer-name">{label.clone()}</span>
            {move || key.with(properties)}
            <span class="quiet" data-testid=format!("certificate-{label}")>
                {move || key.with(|key| words::certificate(key.certificate.as_ref()))}
            </span>
            <details>
                <summary>{if admin { "Fingerprint, mechanisms, certificate, settings" } else { "Fingerprint and mechanisms" }}</summary>
                <Digest hex=fingerprint />
                <p class="quiet">{move || key.with(mechanisms)}</p>
                {admin.then(|| settings(key))}
            </details>
        </li>
    }
    .into_any()
}

fn properties(key: &SigningKeyView) -> AnyView {
    let origin = if key.attested {
        view! { <Badge tone="good" text="Attested: generated on this device" /> }
    } else {
        view! { <Badge tone="wait" text="Not attested" /> }
    };
    let uses = key.uses_left.map(|left| words::count(left, "use"));
    let raw = key.mechanisms.contains(&Mechanism::RsaRaw);
    view! {
        <span>{key.kind.clone()}</span>
        {origin}
        {uses.map(|uses| view! { <span class="quiet">{format!("{uses} left")}</span> })}
        {raw.then(|| view! { <Badge tone="wait" text="Raw RSA allowed" /> })}
    }
    .into_any()
}

fn mechanisms(key: &SigningKeyView) -> String {
    let names = key
        .mechanisms
        .iter()
        .map(|mechanism| words::mechanism_name(*mechanism));
    names.collect::<Vec<_>>().join(", ")
}

/// The number of uses left is removed, so that a signature does not rebuild a half-filled form.
fn settings(key: Memo<SigningKeyView>) -> AnyView {
    let unused = Memo::new(move |_| SigningKeyView {
        uses_left: None,
        ..key.get()
    });
    (move || view! { <KeySettingsForm key=unused.get() /> }).into_any()
}
