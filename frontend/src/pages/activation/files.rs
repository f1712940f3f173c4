//! The listed files with their signatures, or the signatures of an activation without a list.

use std::collections::HashMap;

use countersign_protocol::{
    activation::ActivationView,
    id::ActivationId,
    manifest::ManifestFile,
    purpose::{Purpose, Scope},
    signature::SignatureView,
};
use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};

use crate::{
    components::{Digest, When},
    portal::{Portal, activation_path},
    words,
};

/// A longer list takes the browser seconds to show, so the rest is shown on demand.
const FIRST_FILES: usize = 200;
/// Pause between two requests for the signatures while files are being signed.
const PAUSE_MS: u32 = 2_000;

/// The card with files or signatures.
#[component]
pub fn Files(id: ActivationId, view: Memo<Option<ActivationView>>) -> impl IntoView {
    let signatures = RwSignal::new(Vec::<SignatureView>::new());
    follow(Portal::here(), id, view, signatures);
    let files = super::aspect(view, |view| match &view.terms.purpose {
        Purpose::Sign {
            scope: Scope::Manifest { files },
            ..
        } => files.files().to_vec(),
        Purpose::Sign {
            scope: Scope::Open, ..
        }
        | Purpose::GenerateKey { .. } => Vec::new(),
    });
    let all = RwSignal::new(false);
    view! {
        {move || {
            let files = files.get().unwrap_or_default();
            if files.is_empty() {
                view! { <Unlisted signatures=signatures /> }.into_any()
            } else {
                view! { <Manifest files=files signatures=signatures all=all /> }.into_any()
            }
        }}
    }
    .into_any()
}

/// Keeps the list of signatures up to date with one request at a time.
fn follow(
    portal: Portal,
    id: ActivationId,
    view: Memo<Option<ActivationView>>,
    signatures: RwSignal<Vec<SignatureView>>,
) {
    let total = super::aspect(view, |view| view.signatures);
    let fetching = StoredValue::new(false);
    Effect::new(move |_| {
        let wanted = total.get().unwrap_or_default();
        if wanted == 0 || fetching.get_value() {
            return;
        }
        fetching.set_value(true);
        let id = id.clone();
        spawn_local(async move {
            // `None`: the page was left in the meantime.
            while let Some(wanted) = total.try_get_untracked() {
                let known = signatures
                    .try_with_untracked(Vec::len)
                    .unwrap_or(usize::MAX);
                if known >= wanted.unwrap_or_default() as usize {
                    break;
                }
                match portal.get(&activation_path(&id, "/signatures")).await {
                    Ok(list) => signatures.try_set(list),
                    Err(_) => break,
                };
                TimeoutFuture::new(PAUSE_MS).await;
            }
            fetching.try_set_value(false);
        });
    });
}

#[component]
fn Manifest(
    files: Vec<ManifestFile>,
    signatures: RwSignal<Vec<SignatureView>>,
    all: RwSignal<bool>,
) -> impl IntoView {
    let signed = Memo::new(move |_| {
        signatures.with(|list| {
            let entries = list.iter().map(|made| (made.digest.clone(), made.made_at));
            entries.collect::<HashMap<_, _>>()
        })
    });
    let total = files.len();
    let files = StoredValue::new(files);
    let rows = move || {
        let shown = if all.get() { total } else { FIRST_FILES };
        files.with_value(|files| {
            let rows = files.iter().take(shown).enumerate().map(|(index, file)| {
                let digest = file.digest.clone();
                view! {
                    <li class="file" data-testid=format!("activation-file-{index}")>
                        <span class="file-name">{file.name.clone()}</span>
                        {digest.prefix()}
                        <Digest hex=digest.hex() />
                        <span class="quiet">
                            {move || {
                                let at = signed.with(|signed| signed.get(digest.as_bytes()).copied());
                                at.map(|at| view! { "signed " <When at=at /> })
                            }}
                        </span>
                    </li>
                }
            });
            rows.collect_view()
        })
    };
    view! {
        <section class="card" aria-labelledby="files">
            <h2 id="files">{format!("Files ({})", words::number(total as u64))}</h2>
            <p class="hint">
                "Only files with these digests can be signed. Digests are SHA-256, as printed by " <code>"sha256sum"</code> ", unless marked otherwise."
            </p>
            <ol class="files">{rows}</ol>
            {move || {
                (!all.get() && total > FIRST_FILES)
                    .then(|| {
                        view! {
                            <button type="button" data-testid="files-all" on:click=move |_| all.set(true)>
                                {format!("Show all {}", words::count(total as u64, "file"))}
                            </button>
                        }
                    })
            }}
        </section>
    }
    .into_any()
}

/// Signatures of an activation for any content: their digests are known only afterwards.
#[component]
fn Unlisted(signatures: RwSignal<Vec<SignatureView>>) -> impl IntoView {
    let list = move || {
        let list = signatures.get();
        (!list.is_empty()).then(|| {
            view! {
                <section class="card" aria-labelledby="signatures">
                    <h2 id="signatures">{format!("Signatures ({})", words::number(list.len() as u64))}</h2>
                    <ol class="files">
                        {list
                            .into_iter()
                            .map(|made| {
                                view! {
                                    <li class="file">
                                        <span class="file-name">{words::mechanism_name(made.mechanism)}</span>
                                        <Digest hex=hex(&made.digest) />
                                        <span class="quiet">
                                            <When at=made.made_at />
                                        </span>
                                    </li>
                                }
                            })
                            .collect_view()}
                    </ol>
                </section>
            }
        })
    };
    view! { {list} }.into_any()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
