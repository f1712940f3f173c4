//! Texts of the server and the helper.

use leptos::prelude::*;

use crate::words::{self, Span};

/// A whole sentence in which everything between backticks is code.
#[component]
pub fn Prose(
    /// The text as the server or the helper sent it.
    #[prop(into)]
    text: String,
) -> impl IntoView {
    let spans = words::spans(&words::sentence(&text));
    let views = spans.into_iter().map(|span| match span {
        Span::Text(text) => text.into_any(),
        Span::Code(code) => view! { <code>{code}</code> }.into_any(),
    });
    views.collect_view().into_any()
}
