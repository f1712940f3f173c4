//! Log-in with a card.

use countersign_protocol::{
    cvc::Fingerprint,
    helper::{CardKeyView, CardView},
    problem::Problem,
    session::{LogIn as Statement, LoginChallenge, SessionView},
};
use leptos::prelude::*;

use crate::{
    api, browser,
    components::{HelperPanel, HelperProgress, Page, WorkButton, WorkProblem},
    helper::Helper,
    portal::{Portal, Session},
    work::{Work, problem},
};

/// The page, shown in place of every page that needs a log-in.
#[component]
pub fn LogIn() -> impl IntoView {
    let portal = Portal::here();
    let new = Memo::new(move |_| {
        portal
            .about
            .with(|about| about.as_ref().is_some_and(|about| about.needs_bootstrap))
    });
    view! {
        <Page title="Log in">
            {move || {
                if new.get() {
                    view! {
                        <p class="lead">
                            "This server is new: nobody is known here yet. Begin with the one-time code that it printed."
                        </p>
                        <p>
                            <a class="button primary" href="/setup" data-testid="to-setup">
                                "Set up Countersign"
                            </a>
                        </p>
                    }
                        .into_any()
                } else {
                    view! { <WithCard /> }.into_any()
                }
            }}
        </Page>
    }
}

#[component]
fn WithCard() -> impl IntoView {
    let portal = Portal::here();
    let helper = Helper::here();
    let work = Work::new();
    // Several keys: asked for only after the button, since most people have one.
    let choosing = RwSignal::new(false);
    let log_in = move |key: Fingerprint| {
        work.run(async move {
            let challenge: LoginChallenge = api::act("/session/challenge").await?;
            let statement = helper.log_in(challenge.task, key).await?;
            let view: SessionView = api::post("/session", &Statement { statement }).await?;
            portal.session.set(Session::In(view));
            Ok(())
        });
    };
    let press = Callback::new(move |()| {
        let find = Work {
            busy: RwSignal::new(false),
            problem: work.problem,
        };
        find.run(async move {
            helper.settled().await?;
            match helper.keys().as_slice() {
                [] => return Err(no_key()),
                [(_, only)] => log_in(only.fingerprint),
                _ => choosing.set(true),
            }
            Ok(())
        });
    });
    Effect::new(move |_| {
        if choosing.get() {
            browser::focus("#login-keys button");
        }
    });
    let choice = Callback::new(log_in);
    view! {
        <p class="lead">
            "Your card is your account. The PIN is typed at the card helper, never here."
        </p>
        <div class="card form">
            <HelperPanel />
            <HelperProgress busy=work.busy />
            <WorkProblem work=work />
            {move || {
                choosing
                    .get()
                    .then(|| {
                        view! {
                            <div class="keys" id="login-keys" role="group" aria-label="Log in with">
                                {move || {
                                    let keys = helper.keys().into_iter();
                                    keys.map(|(card, key)| one(&card, &key, choice)).collect_view()
                                }}
                            </div>
                        }
                    })
            }}
            <WorkButton
                work=work
                label="Log in with card"
                testid="login-button"
                class="primary"
                on_press=press
            />
        </div>
        <p class="quiet">
            "No account? An admin of this server sends you an invitation, a link that works once."
        </p>
    }
    .into_any()
}

/// One of several keys.
fn one(card: &CardView, key: &CardKeyView, choice: Callback<Fingerprint>) -> AnyView {
    let fingerprint = key.fingerprint;
    let name = key
        .chr
        .as_ref()
        .map_or(String::new(), |chr| format!(" · key {}", chr.as_str()));
    view! {
        <button
            type="button"
            data-testid=format!("login-card-{}", fingerprint.to_hex())
            on:click=move |_| choice.run(fingerprint)
        >
            <span>
                {key.label.clone()}
                <span class="hint">{format!("{} · card {}{name}", card.label, card.device)}</span>
            </span>
        </button>
    }
    .into_any()
}

fn no_key() -> Problem {
    problem(
        "There is no key to log in with",
        "No key on the cards here can be a custodian's. Keys are enrolled with an invitation from an admin.",
    )
}
