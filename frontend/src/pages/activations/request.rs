//! The form that requests an activation: key, reason, files, limits.

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
    browser, clock,
    components::{CheckField, TextField, WorkButton, WorkProblem},
    portal::Portal,
    words,
    work::{Work, problem},
};

const DEFAULT_SECONDS: &str = "3600";

/// The values of the form.
#[derive(Clone, Copy)]
struct Fields {
    keys: RwSignal<Vec<SigningKeyView>>,
    chosen_key: RwSignal<String>,
    reason: RwSignal<String>,
    any_content: RwSignal<bool>,
    files: NodeRef<html::Input>,
    /// Number of files that are hashed, while files are being hashed.
    hashed: RwSignal<Option<u32>>,
    seconds: RwSignal<String>,
    signatures: RwSignal<String>,
}

impl Fields {
    fn new() -> Self {
        Self {
            keys: RwSignal::new(Vec::new()),
            chosen_key: RwSignal::new(String::new()),
            reason: RwSignal::new(String::new()),
            any_content: RwSignal::new(false),
            files: NodeRef::new(),
            hashed: RwSignal::new(None),
            seconds: RwSignal::new(DEFAULT_SECONDS.to_owned()),
            signatures: RwSignal::new(String::new()),
        }
    }

    fn key(self) -> Option<SigningKeyView> {
        self.keys.with_untracked(|keys| {
            let chosen = self.chosen_key.get_untracked();
            let by_choice = keys.iter().find(|key| value_of(key) == chosen);
            by_choice.or(keys.first()).cloned()
        })
    }

    /// Hashes the files and puts the request together.
    async fn request(self, key: Option<SigningKeyView>) -> Result<NewActivation, Problem> {
        let key = key.ok_or_else(|| {
            problem(
                "No key yet",
                "An admin has to request one on the HSM's page first.",
            )
        })?;
        let scope = if self.any_content.get_untracked() {
            Scope::Open
        } else {
            manifest(self.files, self.hashed).await?
        };
        let listed = match &scope {
            Scope::Manifest { files } => u32::try_from(files.files().len()).ok(),
            Scope::Open => None,
        };
        let seconds = self.seconds.get_untracked();
        let seconds = positive(&seconds)
            .ok_or_else(|| problem("Time missing", "Enter a time of at least 1 second."))?;
        let signatures = self.signatures.get_untracked();
        let signatures = match listed {
            Some(listed) if signatures.trim().is_empty() => Some(listed),
            _ => positive(&signatures),
        };
        let signatures = signatures.ok_or_else(|| {
            problem(
                "Number of signatures missing",
                "Enter at least 1 signature.",
            )
        })?;
        Ok(NewActivation {
            hsm: Some(key.hsm),
            purpose: NewPurpose::Sign {
                keys: vec![key.fingerprint.to_hex()],
                scope,
            },
            reason: self.reason.get_untracked().trim().to_owned(),
            lease: Some(LeaseLimits {
                seconds,
                signatures,
            }),
            approval_seconds: None,
            abandoned_after_seconds: None,
            join: Join::SamePurpose,
        })
    }
}

#[component]
pub fn RequestForm() -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let load = Work::new();
    let fields = Fields::new();
    load.run(async move {
        fields.keys.set(portal.get("/keys").await?);
        Ok(())
    });
    let navigate = use_navigate();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let navigate = navigate.clone();
        let key = fields.key();
        work.run(async move {
            let request = fields.request(key).await?;
            let view: ActivationView = portal.post("/activations", &request).await?;
            let page = format!("/a/{}", view.id());
            portal.put_activation(view);
            navigate(&page, Default::default());
            Ok(())
        });
    };
    let seconds_hint = Signal::derive(move || {
        fields
            .seconds
            .with(|seconds| positive(seconds).map_or_else(String::new, clock::length))
    });
    view! {
        <form class="form" on:submit=submit>
            <KeyField fields=fields load=load />
            <TextField
                label="Reason"
                value=fields.reason
                testid="request-reason"
                hint="Custodians decide based on this, for example “Firmware 4.2.1”."
            />
            <CheckField
                label="Allow any content (no file list)"
                value=fields.any_content
                testid="request-scope-open"
                hint="Custodians are warned that they can't see what will be signed."
            />
            <FilesField fields=fields />
            <div class="pair">
                <TextField
                    label="Maximum lease time, in seconds"
                    value=fields.seconds
                    testid="request-seconds"
                    kind="number"
                    min="1"
                    hint=seconds_hint
                />
                <SignaturesField fields=fields />
            </div>
            <WorkProblem work=work />
            <WorkButton work=work label="Request activation" testid="request-submit" class="primary" />
        </form>
    }
    .into_any()
}

#[component]
fn KeyField(fields: Fields, load: Work) -> impl IntoView {
    let options = move || {
        let keys = fields.keys.get().into_iter();
        let options = keys.map(|key| {
            view! {
                <option value=value_of(&key) data-label=key.label.clone()>
                    {format!("{} ({}, HSM {})", key.label, key.kind, key.hsm)}
                </option>
            }
        });
        options.collect_view()
    };
    view! {
        <div class="field">
            <label for="request-key">"Key"</label>
            <select
                id="request-key"
                data-testid="request-key"
                prop:value=move || fields.chosen_key.get()
                on:change=move |event| fields.chosen_key.set(event_target_value(&event))
            >
                {options}
            </select>
            <WorkProblem work=load />
        </div>
    }
    .into_any()
}

#[component]
fn FilesField(fields: Fields) -> impl IntoView {
    let progress = move || {
        let hashed = fields.hashed.get()?;
        Some(format!("Hashing… {} done", words::count(hashed, "file")))
    };
    view! {
        <div class="field" hidden=move || fields.any_content.get()>
            <label for="request-files">"Files to sign"</label>
            <input
                id="request-files"
                data-testid="request-files"
                type="file"
                multiple
                node_ref=fields.files
                aria-describedby="request-files-hint"
            />
            <p class="hint" id="request-files-hint">
                "Files are hashed in your browser and never uploaded. Only these files can be signed."
            </p>
            <p class="hint" role="status">
                {progress}
            </p>
        </div>
    }
    .into_any()
}

#[component]
fn SignaturesField(fields: Fields) -> impl IntoView {
    let hint = Signal::derive(move || {
        if fields.any_content.get() {
            String::new()
        } else {
            "Leave empty for one per file.".to_owned()
        }
    });
    view! {
        <TextField
            label="Maximum signatures"
            value=fields.signatures
            testid="request-signatures"
            kind="number"
            min="1"
            required=fields.any_content
            hint=hint
        />
    }
    .into_any()
}

/// Two HSMs may hold keys with the same label, so the value names both the HSM and the key.
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
                "No files chosen",
                "Choose at least one file, or allow any content.",
            ));
        }
    };
    let files = Manifest::new(list)
        .map_err(|error| problem("These files can't be used", error.to_string()))?;
    Ok(Scope::Manifest { files })
}

fn positive(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|number| *number > 0)
}
