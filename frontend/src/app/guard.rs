//! Pages that require a session. Without one the log-in is shown, and after it the page that was requested.

use leptos::prelude::*;

use crate::{
    components::Loading,
    pages,
    portal::{Portal, Session},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Unknown,
    Denied,
    Granted,
}

/// The page, or the log-in in its place.
pub fn logged_in(page: fn() -> AnyView) -> impl Fn() -> AnyView + Send + Clone + 'static {
    move || {
        let portal = Portal::here();
        // Only a log-in or a log-out rebuilds the page; other changes of the session do not.
        let access = Memo::new(move |_| {
            portal.session.with(|session| match session {
                Session::Unknown => Access::Unknown,
                Session::Out => Access::Denied,
                Session::In(_) => Access::Granted,
            })
        });
        view! {
            {move || match access.get() {
                Access::Unknown => view! { <Loading /> }.into_any(),
                Access::Denied => view! { <pages::LogIn /> }.into_any(),
                Access::Granted => page(),
            }}
        }
        .into_any()
    }
}
