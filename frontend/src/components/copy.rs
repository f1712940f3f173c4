//! Copies text to the clipboard.

use leptos::{prelude::*, task::spawn_local};

use crate::browser;

/// A button that copies.
#[component]
pub fn CopyButton(
    /// What is copied.
    text: String,
) -> impl IntoView {
    let done = RwSignal::new("Copy");
    view! {
        <button
            type="button"
            data-testid="copy"
            on:click=move |_| {
                let text = text.clone();
                spawn_local(async move {
                    let copied = browser::copy(&text).await;
                    done.try_set(if copied { "Copied" } else { "Select and copy it by hand" });
                });
            }
        >
            <span aria-live="polite">{done}</span>
        </button>
    }
    .into_any()
}
