//! The settings of a key that an admin can change: its certificate, and whether raw RSA is allowed.

use countersign_protocol::{
    act::{AllowRawRsa, NewAct},
    encoding::Base64,
    hsm::{CertificatePlace, KeySettings, NewCertificate, SigningKeyView},
    mechanism::Mechanism,
    problem::Problem,
};
use leptos::prelude::*;
use serde::{Deserialize, de::value::StrDeserializer};

use crate::{
    acts::{Signing, SigningPanel},
    api,
    components::{WorkButton, WorkProblem},
    portal::Portal,
    work::{Work, problem},
};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The form for certificate and settings of one key.
#[component]
pub fn KeySettingsForm(key: SigningKeyView) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let pem = RwSignal::new(String::new());
    let id = StoredValue::new(key.fingerprint.to_hex());
    let path = move |below: &str| id.with_value(|key| format!("/keys/{}/{below}", api::part(key)));
    let save = Callback::new(move |()| {
        work.run(async move {
            let body = parse(&pem.get_untracked())?;
            portal.put(&path("certificate"), &body).await
        });
    });
    let remove = Callback::new(move |()| {
        work.run(async move { portal.delete(&path("certificate")).await });
    });
    let raw = key.mechanisms.contains(&Mechanism::RsaRaw);
    let signing = Signing::new();
    let fingerprint = key.fingerprint;
    let allow = Callback::new(move |()| {
        let allow = AllowRawRsa { key: fingerprint };
        signing.work.run(async move {
            signing.propose(NewAct::AllowRawRsa(allow)).await?;
            Ok(())
        });
    });
    let disallow = Callback::new(move |()| {
        work.run(async move {
            let settings = KeySettings { raw_rsa: false };
            portal.put(&path("settings"), &settings).await
        });
    });
    let rsa = key.public_key.curve().is_none();
    let place = key
        .certificate
        .as_ref()
        .map(|certificate| certificate.place);
    let field = format!("certificate-pem-{}", key.label);
    let label = key.label;
    view! {
        <div class="form">
            {(place != Some(CertificatePlace::Device))
                .then(|| {
                    view! {
                        <div class="field">
                            <label for=field.clone()>"Certificate from a CA (PEM)"</label>
                            <textarea
                                id=field.clone()
                                data-testid=field.clone()
                                rows="4"
                                spellcheck="false"
                                prop:value=move || pem.get()
                                on:input=move |event| pem.set(event_target_value(&event))
                            />
                            <p class="hint">
                                "Programs such as Java use a key only with a certificate. Without a CA, a requester creates one with "
                                <code>"countersign certificate"</code> "."
                            </p>
                        </div>
                        <WorkButton
                            work=work
                            label="Save certificate"
                            testid=format!("certificate-keep-{label}")
                            on_press=save
                        />
                    }
                })}
            {(place == Some(CertificatePlace::Server))
                .then(|| {
                    view! {
                        <WorkButton
                            work=work
                            label="Remove certificate"
                            testid=format!("certificate-remove-{label}")
                            on_press=remove
                        />
                    }
                })}
            {rsa
                .then(|| {
                    view! {
                        <p class="hint">
                            "With raw RSA, requesters apply the padding, so custodians and the server can't check what is signed. It works only for requests without a file list."
                        </p>
                        <SigningPanel signing=signing lazy=true />
                        <WorkButton
                            work=if raw { work } else { signing.work }
                            label=if raw { "Disallow raw RSA" } else { "Allow raw RSA" }
                            testid=format!("raw-rsa-{label}")
                            on_press=if raw { disallow } else { allow }
                        />
                    }
                })}
            <WorkProblem work=work />
        </div>
    }
    .into_any()
}

/// The first certificate of a PEM text.
fn parse(pem: &str) -> Result<NewCertificate, Problem> {
    let body = pem
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(body, _)| body.split_whitespace().collect::<String>());
    let der = body.and_then(|body| {
        let text: StrDeserializer<'_, serde::de::value::Error> =
            serde::de::IntoDeserializer::into_deserializer(body.as_str());
        Base64::deserialize(text).ok()
    });
    der.map(|der| NewCertificate { der }).ok_or_else(|| {
        problem(
            "Not a certificate",
            format!("Paste PEM text from `{BEGIN}` to `{END}`."),
        )
    })
}
