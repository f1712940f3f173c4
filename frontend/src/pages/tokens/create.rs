//! Makes a token; the secret is shown once.

use countersign_protocol::{
    limits::TOKEN_DAYS,
    token::{CreatedToken, NewToken},
};
use leptos::prelude::*;

use crate::{
    components::{CopyButton, TextField, WorkButton, WorkProblem},
    portal::Portal,
    work::{Work, problem},
};

/// The form, and the secret afterwards.
#[component]
pub fn CreateForm() -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let label = RwSignal::new(String::new());
    let days = RwSignal::new("90".to_owned());
    let keys = RwSignal::new(String::new());
    let pem = RwSignal::new(String::new());
    let secret = RwSignal::new(None::<String>);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        work.run(async move {
            let days = days.get_untracked().trim().parse().ok();
            let days = days
                .filter(|days| TOKEN_DAYS.contains(days))
                .ok_or_else(|| problem("The life time is missing", "Say 1 to 366 days."))?;
            let keys = keys.get_untracked();
            let keys = keys.split(',').map(str::trim).filter(|key| !key.is_empty());
            let body = NewToken {
                label: label.get_untracked().trim().to_owned(),
                keys: keys.map(str::to_owned).collect(),
                days,
                certificate: Some(pem.get_untracked().trim().to_owned())
                    .filter(|pem| !pem.is_empty()),
            };
            let created: CreatedToken = portal.post("/tokens", &body).await?;
            secret.set(Some(created.secret));
            label.set(String::new());
            pem.set(String::new());
            portal.people_changed.update(|count| *count += 1);
            Ok(())
        });
    };
    view! {
        <form class="form" on:submit=submit>
            <TextField
                label="What it is for"
                value=label
                testid="token-label"
                hint="Such as the pipeline's name; custodians see your name."
            />
            <TextField
                label="Days until it expires"
                value=days
                testid="token-days"
                kind="number"
                min="1"
                max=TOKEN_DAYS.end().to_string()
            />
            <TextField
                label="Keys"
                value=keys
                testid="token-keys"
                required=false
                hint="Labels, separated by commas. Empty: every key."
            />
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
                    "Whoever connects with it and its key acts as this token, without the secret. Never paste the key."
                </p>
            </div>
            <WorkProblem work=work />
            <WorkButton work=work label="Make the token" testid="token-submit" class="primary" />
        </form>
        <div role="status">
            {move || {
                secret
                    .get()
                    .map(|secret| {
                        view! {
                            <div class="secret">
                                <p>"The token. It is shown only now; the server keeps only its hash."</p>
                                <p class="secret-text">
                                    <code data-testid="token-secret">{secret.clone()}</code>
                                    <CopyButton text=secret />
                                </p>
                            </div>
                        }
                    })
            }}
        </div>
    }
    .into_any()
}
