//! Pages for people who have logged in; everybody else sees the log-in, and afterwards the page that they came for.

use leptos::prelude::*;

use crate::{
    components::Loading,
    pages,
    portal::{Portal, Session},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Unknown,
    Closed,
    Open,
}

/// The page behind the log-in.
pub fn for_members(page: fn() -> AnyView) -> impl Fn() -> AnyView + Send + Clone + 'static {
    move || {
        let portal = Portal::here();
        // A change of the session that is neither log-in nor log-out must not build the page anew.
        let door = Memo::new(move |_| {
            portal.session.with(|session| match session {
                Session::Unknown => Door::Unknown,
                Session::Out => Door::Closed,
                Session::In(_) => Door::Open,
            })
        });
        view! {
            {move || match door.get() {
                Door::Unknown => view! { <Loading /> }.into_any(),
                Door::Closed => view! { <pages::LogIn /> }.into_any(),
                Door::Open => page(),
            }}
        }
        .into_any()
    }
}
