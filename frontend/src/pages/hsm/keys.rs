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
    components::{Badge, Digest, Disclosure},
    portal::Portal,
    words,
};

/// Keys, and the way to a new one.
#[component]
pub fn Keys(
    /// Which HSM.
    id: HsmId,
    /// As it stands.
    view: Memo<Option<HsmView>>,
) -> impl IntoView {
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
                keys.with(Vec::is_empty).then(|| view! { <p class="quiet">"No key yet."</p> })
            }}
            <ul class="answers">
                {move || {
                    let admin = portal.is(Role::Admin);
                    keys.get().into_iter().map(|key| row(key, admin)).collect_view()
                }}
            </ul>
            {move || {
                (complete.get() && portal.is(Role::Admin))
                    .then(|| {
                        view! {
                            <Disclosure open=open label="Generate a key …" testid="genkey-open">
                                <GenerateForm hsm=id.get_value() />
                            </Disclosure>
                        }
                    })
            }}
        </section>
    }
    .into_any()
}

fn row(key: SigningKeyView, admin: bool) -> AnyView {
    let raw = key.mechanisms.contains(&Mechanism::RsaRaw);
    let testid = format!("key-{}", key.label);
    let mechanisms = key.mechanisms.iter().map(|mechanism| mechanism.as_str());
    let mechanisms = mechanisms.collect::<Vec<_>>().join(", ");
    view! {
        <li data-testid=testid>
            <span class="answer-name">{key.label.clone()}</span>
            <span>{key.kind.clone()}</span>
            {if key.attested {
                view! { <Badge tone="good" text="made in this device" /> }
            } else {
                view! { <Badge tone="wait" text="origin not attested" /> }
            }}
            {key
                .uses_left
                .map(|left| view! { <span class="quiet">{format!("{} left", words::count(left, "use"))}</span> })}
            {raw
                .then(|| view! { <Badge tone="wait" text="raw RSA allowed" /> })}
            <span class="quiet" data-testid=format!("certificate-{}", key.label)>
                {words::certificate(key.certificate.as_ref())}
            </span>
            <details>
                <summary>{if admin { "Fingerprint, mechanisms, certificate, settings" } else { "Fingerprint and mechanisms" }}</summary>
                <Digest hex=key.fingerprint.to_hex() />
                <p class="quiet">{mechanisms}</p>
                {admin.then(|| view! { <KeySettingsForm key=key.clone() /> })}
            </details>
        </li>
    }
    .into_any()
}
