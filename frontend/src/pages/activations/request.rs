//! Asks for an activation: which key, why, for what, how long.

use countersign_protocol::{
    activation::{ActivationView, Join, NewActivation, NewPurpose},
    hsm::SigningKeyView,
    lease::LeaseLimits,
    manifest::Manifest,
    problem::Problem,
    purpose::Scope,
};
use leptos::{html, prelude::*};
use leptos_router::hooks::use_navigate;

use crate::{
    browser,
    components::{CheckField, TextField, WorkButton, WorkProblem},
    portal::Portal,
    words,
    work::{Work, problem},
};

const DEFAULT_SECONDS: &str = "3600";

/// The form.
#[component]
pub fn RequestForm() -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let keys = RwSignal::new(Vec::<SigningKeyView>::new());
    let load = Work::new();
    load.run(async move {
        keys.set(portal.get("/keys").await?);
        Ok(())
    });
    let chosen = RwSignal::new(String::new());
    let reason = RwSignal::new(String::new());
    let anything = RwSignal::new(false);
    let seconds = RwSignal::new(DEFAULT_SECONDS.to_owned());
    let signatures = RwSignal::new(String::new());
    let files = NodeRef::<html::Input>::new();
    let hashed = RwSignal::new(None::<u32>);
    let navigate = use_navigate();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let navigate = navigate.clone();
        let key = keys.with_untracked(|keys| {
            let chosen = chosen.get_untracked();
            let by_choice = keys.iter().find(|key| value_of(key) == chosen);
            by_choice.or(keys.first()).cloned()
        });
        work.run(async move {
            let key = key.ok_or_else(|| {
                problem(
                    "There is no key",
                    "An admin has to generate one on the HSM's page first.",
                )
            })?;
            let scope = if anything.get_untracked() {
                Scope::Open
            } else {
                manifest(files, hashed).await?
            };
            let files = match &scope {
                Scope::Manifest { files } => files.files().len(),
                Scope::Open => 0,
            };
            let lease = LeaseLimits {
                seconds: number("seconds", &seconds.get_untracked(), None)?,
                signatures: number(
                    "signatures",
                    &signatures.get_untracked(),
                    u32::try_from(files).ok(),
                )?,
            };
            let request = NewActivation {
                hsm: Some(key.hsm),
                purpose: NewPurpose::Sign {
                    keys: vec![key.fingerprint.to_hex()],
                    scope,
                },
                reason: reason.get_untracked().trim().to_owned(),
                lease: Some(lease),
                collect_seconds: None,
                abandoned_after_seconds: None,
                join: Join::SamePurpose,
            };
            let view: ActivationView = portal.post("/activations", &request).await?;
            let page = format!("/a/{}", view.terms.id);
            portal.put_activation(view);
            navigate(&page, Default::default());
            Ok(())
        });
    };
    view! {
        <form class="form" on:submit=submit>
            <div class="field">
                <label for="request-key">"Key"</label>
                <select
                    id="request-key"
                    data-testid="request-key"
                    prop:value=move || chosen.get()
                    on:change=move |event| chosen.set(event_target_value(&event))
                >
                    {move || {
                        keys.get()
                            .into_iter()
                            .map(|key| {
                                view! {
                                    <option value=value_of(&key) data-label=key.label.clone()>
                                        {format!("{} ({}, HSM {})", key.label, key.kind, key.hsm)}
                                    </option>
                                }
                            })
                            .collect_view()
                    }}
                </select>
                <WorkProblem work=load />
            </div>
            <TextField
                label="Reason"
                value=reason
                testid="request-reason"
                hint="Custodians decide by it, such as “Firmware 4.2.1”."
            />
            <CheckField
                label="Open scope: any digest may be signed"
                value=anything
                testid="request-scope-open"
                hint="Custodians see this flagged: they approve without knowing what is signed."
            />
            <div class="field" hidden=move || anything.get()>
                <label for="request-files">"Files to sign"</label>
                <input
                    id="request-files"
                    data-testid="request-files"
                    type="file"
                    multiple
                    node_ref=files
                    aria-describedby="request-files-hint"
                />
                <p class="hint" id="request-files-hint">
                    "They are hashed in this browser and never uploaded. Only these files can be signed then."
                </p>
                <p class="hint" role="status">
                    {move || {
                        hashed.get().map(|count| format!("Hashing: {} done …", words::count(count, "file")))
                    }}
                </p>
            </div>
            <div class="pair">
                <TextField
                    label="Seconds open, at most"
                    value=seconds
                    testid="request-seconds"
                    kind="number"
                    min="1"
                />
                <SignaturesField anything=anything signatures=signatures />
            </div>
            <WorkProblem work=work />
            <WorkButton work=work label="Ask the custodians" testid="request-submit" class="primary" />
        </form>
    }
    .into_any()
}

#[component]
fn SignaturesField(anything: RwSignal<bool>, signatures: RwSignal<String>) -> impl IntoView {
    let hint = Signal::derive(move || {
        if anything.get() {
            "How many signatures may be made.".to_owned()
        } else {
            "Empty: one for each file.".to_owned()
        }
    });
    view! {
        <TextField
            label="Signatures, at most"
            value=signatures
            testid="request-signatures"
            kind="number"
            min="1"
            required=anything
            hint=hint
        />
    }
    .into_any()
}

/// The same label may be on two HSMs.
fn value_of(key: &SigningKeyView) -> String {
    format!("{}/{}", key.hsm, key.fingerprint.to_hex())
}

async fn manifest(
    input: NodeRef<html::Input>,
    hashed: RwSignal<Option<u32>>,
) -> Result<Scope, Problem> {
    let files = input.get_untracked().and_then(|input| input.files());
    let list = match files {
        Some(files) if files.length() > 0 => {
            let list = browser::hash_files(&files, |count| hashed.set(Some(count))).await;
            hashed.set(None);
            list?
        }
        _ => {
            return Err(problem(
                "No file is chosen",
                "Choose the files to be signed, or tick “open scope”.",
            ));
        }
    };
    let files = Manifest::new(list)
        .map_err(|error| problem("These files can't be listed", error.to_string()))?;
    Ok(Scope::Manifest { files })
}

fn number(what: &str, text: &str, otherwise: Option<u32>) -> Result<u32, Problem> {
    match (text.trim(), otherwise.filter(|number| *number > 0)) {
        ("", Some(number)) => Ok(number),
        (text, _) => text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| {
                problem(
                    "A number is missing",
                    format!("Say how many {what} the lease may have, 1 or more."),
                )
            }),
    }
}
