//! The page for an unknown address.

use leptos::prelude::*;

use crate::components::Page;

#[component]
pub fn NotFound() -> impl IntoView {
    view! {
        <Page title="Page not found">
            <p>"Check the address, or " <a href="/">"go to the home page"</a> "."</p>
        </Page>
    }
}
