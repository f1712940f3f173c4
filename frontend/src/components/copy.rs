//! Copies text to the clipboard.

use leptos::{prelude::*, task::spawn_local};

use crate::browser;

/// A button that copies a text and reports whether that worked.
#[component]
pub fn CopyButton(
    text: String,
    /// Verb and object, such as "Copy link".
    label: &'static str,
) -> impl IntoView {
    let shown = RwSignal::new(label);
    view! {
        <button
            type="button"
            data-testid="copy"
            on:click=move |_| {
                let text = text.clone();
                spawn_local(async move {
                    let copied = browser::copy(&text).await;
                    shown.try_set(if copied { "Copied" } else { "Select and copy it by hand" });
                });
            }
        >
            <span aria-live="polite">{shown}</span>
        </button>
    }
    .into_any()
}
