//! The frame of a page: its heading takes the focus, so that keyboard and screen reader begin there.

use std::sync::atomic::{AtomicBool, Ordering};

use leptos::prelude::*;

use crate::browser;

/// The browser itself begins at the top after loading; only later pages take the focus.
static NAVIGATED: AtomicBool = AtomicBool::new(false);

/// A page.
#[component]
pub fn Page(
    /// Heading, also the window's title.
    #[prop(into)]
    title: Signal<String>,
    /// What stands below the heading.
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

/// While the first answer is on its way.
#[component]
pub fn Loading() -> impl IntoView {
    view! { <p class="quiet" role="status">"Loading …"</p> }.into_any()
}

/// A list without entries: says what to do next.
#[component]
pub fn Empty(
    /// What to say.
    children: Children,
) -> impl IntoView {
    view! { <div class="empty">{children()}</div> }.into_any()
}
