//! Names and values, badges, digests.

use leptos::prelude::*;

use crate::words;

/// One line of a description list.
#[component]
pub fn Fact(
    /// Name of the value.
    name: &'static str,
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

/// A word in a coloured frame. The word alone is sufficient, because not everyone sees the colour.
#[component]
pub fn Badge(
    /// `good`, `wait`, `bad`, `busy` or `plain`.
    tone: &'static str,
    /// The word, with a capital letter.
    #[prop(into)]
    text: String,
    #[prop(optional)] testid: Option<&'static str>,
) -> impl IntoView {
    view! { <span class=format!("badge {tone}") data-testid=testid>{text}</span> }.into_any()
}

/// A digest or fingerprint in groups that people can compare.
#[component]
pub fn Digest(hex: String) -> impl IntoView {
    view! { <code class="digest">{words::grouped(&hex)}</code> }.into_any()
}
