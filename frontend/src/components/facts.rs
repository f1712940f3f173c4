//! Names and values, badges, digests.

use leptos::prelude::*;

use crate::words;

/// One line of a description list.
#[component]
pub fn Fact(
    /// What it is.
    name: &'static str,
    /// Its value.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="fact">
            <dt>{name}</dt>
            <dd>{children()}</dd>
        </div>
    }
    .into_any()
}

/// A word in a coloured frame; the word says it all, the colour only helps.
#[component]
pub fn Badge(
    /// `good`, `wait`, `bad`, `busy` or `plain`.
    tone: &'static str,
    /// The word.
    #[prop(into)]
    text: String,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
) -> impl IntoView {
    view! { <span class=format!("badge {tone}") data-testid=testid>{text}</span> }.into_any()
}

/// A digest or fingerprint in groups that people can compare.
#[component]
pub fn Digest(
    /// In hex.
    hex: String,
) -> impl IntoView {
    view! { <code class="digest">{words::grouped(&hex)}</code> }.into_any()
}
