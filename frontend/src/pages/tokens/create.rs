//! Creates a token. Its secret is shown only once.

use countersign_protocol::{
    act::{ActResult, NewAct},
    limits::TOKEN_DAYS,
    token::NewToken,
};
use leptos::prelude::*;

use crate::{
    acts::{Signing, SigningPanel, result_view},
    components::{TextField, WorkButton},
    portal::Portal,
    work::problem,
};

/// The form, and afterwards the secret.
#[component]
pub fn CreateForm() -> impl IntoView {
    let portal = Portal::here();
    let signing = Signing::new();
    let work = signing.work;
    let label = RwSignal::new(String::new());
    let days = RwSignal::new("90".to_owned());
    let keys = RwSignal::new(String::new());
    let pem = RwSignal::new(String::new());
    let created = RwSignal::new(None::<ActResult>);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        work.run(async move {
            let days = days.get_untracked().trim().parse().ok();
            let days = days
                .filter(|days| TOKEN_DAYS.contains(days))
                .ok_or_else(|| {
                    let days =
                        format!("Enter {} to {} days.", TOKEN_DAYS.start(), TOKEN_DAYS.end());
                    problem("Enter a lifetime", days)
                })?;
            let keys = keys.get_untracked();
            let keys = keys.split(',').map(str::trim).filter(|key| !key.is_empty());
            let body = NewToken {
                label: label.get_untracked().trim().to_owned(),
                keys: keys.map(str::to_owned).collect(),
                days,
                certificate: Some(pem.get_untracked().trim().to_owned())
                    .filter(|pem| !pem.is_empty()),
            };
            let result = signing.propose(NewAct::CreateToken(body)).await?;
            if result.is_some() {
                label.try_set(String::new());
                pem.try_set(String::new());
            }
            created.try_set(result);
            portal.people_changed.update(|count| *count += 1);
            Ok(())
        });
    };
    view! {
        <form class="form" on:submit=submit>
            <TextField
                label="Label"
                value=label
                testid="token-label"
                hint="For example the pipeline's name. Custodians see your name."
            />
            <TextField
                label="Days until it expires"
                value=days
                testid="token-days"
                kind="number"
                min=TOKEN_DAYS.start().to_string()
                max=TOKEN_DAYS.end().to_string()
            />
            <TextField
                label="Keys"
                value=keys
                testid="token-keys"
                required=false
                hint="Labels, separated by commas. Leave empty for all keys."
            />
            <CertificateField pem=pem />
            <SigningPanel signing=signing />
            <WorkButton work=work label="Create token" testid="token-submit" class="primary" />
        </form>
        <div role="status">{move || created.get().map(result_view)}</div>
    }
    .into_any()
}

#[component]
fn CertificateField(pem: RwSignal<String>) -> impl IntoView {
    view! {
        <div class="field">
            <label for="token-certificate">
                "Client certificate (PEM) " <span class="quiet">"(optional)"</span>
            </label>
            <textarea
                id="token-certificate"
                data-testid="token-certificate"
                rows="3"
                spellcheck="false"
                aria-describedby="token-certificate-hint"
                prop:value=move || pem.get()
                on:input=move |event| pem.set(event_target_value(&event))
            />
            <p class="hint" id="token-certificate-hint">
                "A client that presents this certificate acts as this token without the secret. Never paste the private key."
            </p>
        </div>
    }
    .into_any()
}
