//! The frame of a page: its heading takes the focus, so that keyboard and screen reader begin there.

use std::sync::atomic::{AtomicBool, Ordering};

use leptos::{html::H1, prelude::*};

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
    let heading = NodeRef::<H1>::new();
    heading.on_load(|heading| {
        if NAVIGATED.swap(true, Ordering::Relaxed) {
            // A heading that can't take the focus leaves it where it was.
            let _ = heading.focus();
        }
    });
    Effect::new(move |_| document().set_title(&format!("{} · Countersign", title.get())));
    view! {
        <h1 node_ref=heading tabindex="-1">{title}</h1>
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
