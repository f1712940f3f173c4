//! The frame of a page. Its heading takes the focus, so that keyboard and screen reader begin there.

use std::sync::atomic::{AtomicBool, Ordering};

use leptos::prelude::*;

use crate::browser;

/// After loading, the browser itself begins at the top, so only later pages take the focus.
static NAVIGATED: AtomicBool = AtomicBool::new(false);

/// A page with its heading.
#[component]
pub fn Page(
    /// Heading and title of the window.
    #[prop(into)]
    title: Signal<String>,
    /// Content below the heading.
    children: Children,
) -> impl IntoView {
    if NAVIGATED.swap(true, Ordering::Relaxed) {
        browser::focus("main h1");
    }
    Effect::new(move |_| document().set_title(&format!("{} · Countersign", title.get())));
    view! {
        <h1 tabindex="-1">{title}</h1>
        {children()}
    }
    .into_any()
}

/// Stands in for content until the first answer arrives.
#[component]
pub fn Loading() -> impl IntoView {
    view! { <p class="quiet" role="status">"Loading…"</p> }.into_any()
}

/// Stands in for an empty list and says what to do next.
#[component]
pub fn Empty(children: Children) -> impl IntoView {
    view! { <div class="empty">{children()}</div> }.into_any()
}
