//! The app: store, helper, clock, the frame around every page, and which page is shown.

mod frame;
mod guard;

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    components::{Route, Router, Routes},
    path,
};

use crate::{clock::Clock, helper::Helper, live, pages, portal::Portal};
use frame::{Header, Notices};
use guard::for_members;

/// The whole portal.
#[component]
pub fn App() -> impl IntoView {
    let portal = Portal::new();
    provide_context(portal);
    provide_context(Helper::new(portal));
    provide_context(Clock::start());
    live::follow(portal);
    spawn_local(portal.load_session());
    view! {
        <Router>
            <a
                class="skip"
                href="#main"
                // The address may carry an invitation behind `#`, so it stays as it is.
                on:click=|event| {
                    event.prevent_default();
                    crate::browser::focus("#main h1");
                }
            >
                "Skip to content"
            </a>
            <div class="frame">
                <Header />
                <main id="main">
                    <Notices />
                    <Routes fallback=pages::NotFound>
                        <Route path=path!("/") view=for_members(|| pages::Home().into_any()) />
                        <Route path=path!("/setup") view=pages::Setup />
                        <Route path=path!("/join") view=pages::Join />
                        <Route
                            path=path!("/activations")
                            view=for_members(|| pages::Activations().into_any())
                        />
                        <Route
                            path=path!("/a/:id")
                            view=for_members(|| pages::Activation().into_any())
                        />
                        <Route
                            path=path!("/people")
                            view=for_members(|| pages::People().into_any())
                        />
                        <Route path=path!("/hsms") view=for_members(|| pages::Hsms().into_any()) />
                        <Route
                            path=path!("/hsms/:id")
                            view=for_members(|| pages::Hsm().into_any())
                        />
                        <Route
                            path=path!("/tokens")
                            view=for_members(|| pages::Tokens().into_any())
                        />
                        <Route
                            path=path!("/audit")
                            view=for_members(|| pages::Audit().into_any())
                        />
                    </Routes>
                </main>
            </div>
        </Router>
    }
}
