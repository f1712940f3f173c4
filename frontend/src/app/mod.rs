//! Root of the portal: it provides store, helper and clock, draws the frame around every page, and routes to the pages.

mod frame;
mod guard;

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    components::{Route, Router, Routes},
    path,
};

use crate::{clock::Clock, helper::Helper, live, pages, portal::Portal};
use frame::{Header, Notices};
use guard::logged_in;

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
                // The fragment of the address may be an invitation code, so a link to `#main` must not replace it.
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
                        <Route path=path!("/") view=logged_in(|| pages::Home().into_any()) />
                        <Route path=path!("/setup") view=pages::Setup />
                        <Route path=path!("/join") view=pages::Join />
                        <Route
                            path=path!("/activations")
                            view=logged_in(|| pages::Activations().into_any())
                        />
                        <Route
                            path=path!("/a/:id")
                            view=logged_in(|| pages::Activation().into_any())
                        />
                        <Route
                            path=path!("/people")
                            view=logged_in(|| pages::People().into_any())
                        />
                        <Route path=path!("/hsms") view=logged_in(|| pages::Hsms().into_any()) />
                        <Route
                            path=path!("/hsms/:id")
                            view=logged_in(|| pages::Hsm().into_any())
                        />
                        <Route
                            path=path!("/tokens")
                            view=logged_in(|| pages::Tokens().into_any())
                        />
                        <Route path=path!("/acts") view=logged_in(|| pages::Acts().into_any()) />
                        <Route
                            path=path!("/sessions")
                            view=logged_in(|| pages::Sessions().into_any())
                        />
                        <Route
                            path=path!("/audit")
                            view=logged_in(|| pages::Audit().into_any())
                        />
                    </Routes>
                </main>
            </div>
        </Router>
    }
}
