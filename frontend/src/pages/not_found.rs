//! An address that is no page.

use leptos::prelude::*;

use crate::components::Page;

/// The page.
#[component]
pub fn NotFound() -> impl IntoView {
    view! {
        <Page title="No such page">
            <p>"The address may be mistyped. " <a href="/">"Go to the home page"</a> "."</p>
        </Page>
    }
}
