//! The frame around every page: name, navigation, user, live connection, notices.

use countersign_protocol::operator::Role;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::{
    browser,
    components::{ProblemView, WorkProblem},
    portal::{Connection, Portal},
    work::Work,
};

#[component]
pub fn Header() -> impl IntoView {
    let portal = Portal::here();
    let server = move || {
        portal
            .about
            .with(|about| about.as_ref().map(|about| about.server.name.clone()))
    };
    view! {
        <header class="side">
            <a class="brand" href="/">
                <span class="mark" aria-hidden="true"></span>
                <span>
                    "Countersign" <span class="brand-server">{server}</span>
                </span>
            </a>
            {move || portal.me().map(|me| view! { <Nav /><User name=me.person.name /> })}
        </header>
    }
    .into_any()
}

#[component]
fn Nav() -> impl IntoView {
    let portal = Portal::here();
    let path = use_location().pathname;
    let link = move |href: &'static str, testid: &'static str, name: &'static str| {
        let is_current = move || {
            path.with(|path| {
                path == href
                    || (href == "/activations" && path.starts_with("/a/"))
                    || (href != "/" && path.starts_with(&format!("{href}/")))
            })
        };
        view! {
            <li>
                <a href=href data-testid=testid aria-current=move || is_current().then_some("page")>
                    {name}
                </a>
            </li>
        }
    };
    let reads_audit = [Role::Admin, Role::Auditor, Role::Custodian]
        .into_iter()
        .any(|role| portal.is(role));
    let has_tokens = portal.is(Role::Requester) || portal.is(Role::Admin);
    // Requesters sign acts rarely, and always those that they proposed themselves.
    let has_acts = Memo::new(move |_| {
        reads_audit
            || portal.acts.with(|acts| {
                let mut acts = acts.iter().flatten();
                acts.any(|act| !act.state.has_ended())
            })
    });
    view! {
        <nav aria-label="Pages">
            <ul>
                {link("/", "nav-home", "Home")}
                {link("/activations", "nav-activations", "Activations")}
                {link("/people", "nav-people", "People")} {link("/hsms", "nav-hsms", "HSMs")}
                {has_tokens.then(|| link("/tokens", "nav-tokens", "Tokens"))}
                {move || has_acts.get().then(|| link("/acts", "acts-nav", "Acts"))}
                {link("/sessions", "nav-sessions", "Sessions")}
                {reads_audit.then(|| link("/audit", "nav-audit", "Audit log"))}
            </ul>
        </nav>
    }
    .into_any()
}

#[component]
fn User(name: String) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let log_out = move |_| {
        work.run(async move {
            portal.delete("/session").await?;
            // Reloading clears the memory and stops every pending request of this session.
            browser::reload();
            Ok(())
        });
    };
    let connection = move || match portal.connection.get() {
        Connection::Connecting => ("wait", "Connecting…"),
        Connection::Live => ("good", "Live"),
        Connection::Lost => ("bad", "Reconnecting…"),
    };
    view! {
        <div class="who">
            <span class="who-name" data-testid="whoami">{name}</span>
            <span class="live">
                <span class=move || format!("light {}", connection().0) aria-hidden="true"></span>
                <span data-testid="connection">{move || connection().1}</span>
            </span>
            <button type="button" class="plain" data-testid="logout" on:click=log_out>
                "Log out"
            </button>
            <WorkProblem work=work />
        </div>
    }
    .into_any()
}

/// Notices that apply to every page.
#[component]
pub fn Notices() -> impl IntoView {
    let portal = Portal::here();
    let about = move || {
        let about = portal.about.get()?;
        let elsewhere = about.server.origin != browser::origin();
        let origin = about.server.origin;
        Some(view! {
            {about
                .demo
                .then(|| {
                    view! {
                        <p class="notice wait" data-testid="demo">
                            "Demonstration: this server accepts simulated cards. Nothing on it is secure."
                        </p>
                    }
                })}
            {elsewhere
                .then(|| {
                    view! {
                        <p class="notice wait">
                            "You opened the portal at another address, so changes are disabled. Continue at "
                            <a href=origin.clone() rel="external">{origin.clone()}</a>
                            "."
                        </p>
                    }
                })}
        })
    };
    let lost = move || portal.me().is_some() && portal.connection.get() == Connection::Lost;
    view! {
        {about}
        <div role="status">
            {move || {
                lost()
                    .then(|| {
                        view! {
                            <p class="notice" data-testid="notice">
                                "Connection lost. Reconnecting… This page may be out of date."
                            </p>
                        }
                    })
            }}
        </div>
        <ProblemView problem=portal.problem />
    }
    .into_any()
}
