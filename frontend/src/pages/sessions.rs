//! The person's own sessions, which they can end.

use countersign_protocol::session::OpenSession;
use leptos::prelude::*;

use crate::{
    api, browser,
    components::{Badge, Loading, Page, ProblemView, Rows, When, WorkButton, WorkProblem},
    fetched::{Fetched, Shown},
    portal::Portal,
    work::Work,
};

/// The page.
#[component]
pub fn Sessions() -> impl IntoView {
    let portal = Portal::here();
    let ended = RwSignal::new(0);
    let sessions = Fetched::<OpenSession>::follow(portal, "/sessions", ended);
    let failed = sessions.failed;
    let all = sessions.items();
    let shown = sessions.shown(all);
    let has_others = Memo::new(move |_| all.with(|all| all.len() > 1));
    let list = move || match shown.get() {
        Shown::Failed => ().into_any(),
        Shown::Loading => view! { <Loading /> }.into_any(),
        Shown::Empty | Shown::Rows => view! {
            <ul class="rows">
                <Rows
                    items=all
                    key=|session| session.id.to_string()
                    row=move |session| {
                        (move || view! { <Session session=session.get() ended=ended /> }).into_any()
                    }
                />
            </ul>
        }
        .into_any(),
    };
    view! {
        <Page title="Sessions">
            <p class="lead">
                "Each log-in with your card begins a session in that browser. If you don't recognise one, end it and tell an admin."
            </p>
            <ProblemView problem=failed />
            {list}
            {move || has_others.get().then(|| view! { <EndOthers ended=ended /> })}
            <EndAll />
        </Page>
    }
}

#[component]
fn Session(session: OpenSession, ended: RwSignal<u32>) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let path = format!("/sessions/{}", api::part(session.id.as_str()));
    let end = Callback::new(move |()| {
        let path = path.clone();
        work.run(async move {
            portal.delete(&path).await?;
            ended.update(|count| *count += 1);
            Ok(())
        });
    });
    let from = match session.address.as_str() {
        "" => session.browser.clone(),
        address => format!("{} · last used from {address}", session.browser),
    };
    let side = if session.is_current {
        view! { <Badge tone="good" text="This session" /> }.into_any()
    } else {
        view! {
            <WorkButton work=work label="End session" testid="session-end" class="danger" on_press=end />
        }
        .into_any()
    };
    view! {
        <li class="row" data-testid="session">
            <div class="row-link">
                <span class="row-title">{from}</span>
                <span class="quiet">
                    "Began " <When at=session.began_at /> " · used " <When at=session.used_at />
                    " · ends " <When at=session.ends_at />
                </span>
                <WorkProblem work=work />
            </div>
            <div class="row-side">{side}</div>
        </li>
    }
    .into_any()
}

#[component]
fn EndOthers(ended: RwSignal<u32>) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let end = Callback::new(move |()| {
        work.run(async move {
            portal.delete("/sessions?keepCurrent=true").await?;
            ended.update(|count| *count += 1);
            Ok(())
        });
    });
    view! {
        <p>
            <WorkButton
                work=work
                label="End all other sessions"
                testid="sessions-end-others"
                class="danger"
                on_press=end
            />
        </p>
        <WorkProblem work=work />
    }
    .into_any()
}

#[component]
fn EndAll() -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let end = Callback::new(move |()| {
        work.run(async move {
            portal.delete("/sessions").await?;
            // As after a log-out.
            browser::reload();
            Ok(())
        });
    });
    view! {
        <p>
            <WorkButton
                work=work
                label="Log out everywhere"
                testid="sessions-end-all"
                on_press=end
            />
        </p>
        <WorkProblem work=work />
    }
    .into_any()
}
