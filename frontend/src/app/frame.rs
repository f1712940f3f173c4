//! What stands around every page: name, navigation, who is logged in, the live connection, notices.

use countersign_protocol::operator::Role;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::{
    browser,
    components::{ProblemView, WorkProblem},
    portal::{Connection, Portal},
    work::Work,
};

/// Name, navigation, who is logged in.
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
            {move || portal.me().map(|me| view! { <Nav /><Who name=me.person.name /> })}
        </header>
    }
    .into_any()
}

#[component]
fn Nav() -> impl IntoView {
    let portal = Portal::here();
    let path = use_location().pathname;
    let link = move |href: &'static str, testid: &'static str, name: &'static str| {
        let here = move || {
            path.with(|path| {
                path == href
                    || (href == "/activations" && path.starts_with("/a/"))
                    || (href != "/" && path.starts_with(&format!("{href}/")))
            })
        };
        view! {
            <li>
                <a href=href data-testid=testid aria-current=move || here().then_some("page")>
                    {name}
                </a>
            </li>
        }
    };
    let reads_audit = [Role::Admin, Role::Auditor, Role::Custodian]
        .into_iter()
        .any(|role| portal.is(role));
    let has_tokens = portal.is(Role::Requester) || portal.is(Role::Admin);
    view! {
        <nav aria-label="Pages">
            <ul>
                {link("/", "nav-home", "Home")}
                {link("/activations", "nav-activations", "Activations")}
                {link("/people", "nav-people", "People")} {link("/hsms", "nav-hsms", "HSMs")}
                {has_tokens.then(|| link("/tokens", "nav-tokens", "Tokens"))}
                {reads_audit.then(|| link("/audit", "nav-audit", "Audit"))}
            </ul>
        </nav>
    }
    .into_any()
}

#[component]
fn Who(
    /// The person's name.
    name: String,
) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let log_out = move |_| {
        work.run(async move {
            portal.delete("/session").await?;
            // Nothing of this person stays in memory, whatever is still under way.
            browser::reload();
            Ok(())
        });
    };
    let connection = move || match portal.connection.get() {
        Connection::Connecting => ("wait", "connecting …"),
        Connection::Live => ("good", "live"),
        Connection::Lost => ("bad", "reconnecting …"),
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

/// What everybody should know before reading on.
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
                            "Demonstration: simulated cards are accepted here. Nothing on this server is secure."
                        </p>
                    }
                })}
            {elsewhere
                .then(|| {
                    view! {
                        <p class="notice wait">
                            "This server's own address is "
                            <a href=origin.clone() rel="external">{origin.clone()}</a>
                            ". From here it accepts no changes."
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
                                "The connection to the server is lost, and is being tried again. What you see may be old."
                            </p>
                        }
                    })
            }}
        </div>
        <ProblemView problem=portal.problem />
    }
    .into_any()
}
