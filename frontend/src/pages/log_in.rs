//! Log-in with a card.

use countersign_protocol::{
    cvc::Fingerprint,
    helper::{CardKeyView, CardView},
    session::{LogIn as Statement, LoginChallenge, SessionView},
};
use leptos::prelude::*;

use crate::{
    api,
    components::{HelperPanel, HelperProgress, Page, WorkButton, WorkProblem},
    helper::Helper,
    portal::{Portal, Session},
    work::{Work, problem},
};

/// The page. It is shown in the place of every page that requires a session.
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
                            "This server isn't set up yet. Use the one-time code that it printed when it first started."
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
    let chosen = RwSignal::new(None::<Fingerprint>);
    let keys = Memo::new(move |_| helper.keys());
    // The choice is void once its card is removed.
    let key = move || {
        keys.with(|keys| {
            let mut fingerprints = keys.iter().map(|(_, key)| key.fingerprint);
            match chosen.get() {
                Some(chosen) if fingerprints.clone().any(|key| key == chosen) => Some(chosen),
                _ => fingerprints.next(),
            }
        })
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let key = untrack(key);
        work.run(async move {
            let key = key.ok_or_else(|| {
                problem("No usable key", "Insert the card that you enrolled with.")
            })?;
            let challenge: LoginChallenge = api::act("/session/challenge").await?;
            let statement = helper.log_in(challenge.task, key).await?;
            let view: SessionView = api::post("/session", &Statement { statement }).await?;
            portal.session_ended.set(false);
            portal.session.set(Session::In(view));
            Ok(())
        });
    };
    let no_key = move || helper.status.with(crate::helper::Status::is_ready) && key().is_none();
    view! {
        <div role="status">
            {move || {
                portal
                    .session_ended
                    .get()
                    .then(|| {
                        view! {
                            <p class="notice wait" data-testid="session-ended">
                                "Your session has ended. Log in again to return to this page."
                            </p>
                        }
                    })
            }}
        </div>
        <p class="lead">"Log in with your card. Enter the PIN only in the card helper, never in the browser."</p>
        <form class="card form" on:submit=submit>
            <HelperPanel />
            {move || {
                let keys = keys.get();
                (keys.len() > 1)
                    .then(|| {
                        view! {
                            <fieldset>
                                <legend>"Log in with"</legend>
                                {keys
                                    .into_iter()
                                    .map(|(card, key_view)| {
                                        let fingerprint = key_view.fingerprint;
                                        let is_chosen = Signal::derive(move || key() == Some(fingerprint));
                                        choice(&card, &key_view, is_chosen, chosen)
                                    })
                                    .collect_view()}
                            </fieldset>
                        }
                    })
            }}
            {move || {
                no_key()
                    .then(|| {
                        view! {
                            <p class="hint">
                                "None of these cards holds a usable key. To enrol one, ask an admin for an invitation."
                            </p>
                        }
                    })
            }}
            <HelperProgress busy=work.busy />
            <WorkProblem work=work />
            <WorkButton
                work=work
                label="Log in with card"
                testid="login-button"
                class="primary"
                disabled=Signal::derive(move || key().is_none())
            />
        </form>
        <p class="quiet">
            "No account? Ask an admin of this server for an invitation, a link that works once."
        </p>
    }
    .into_any()
}

fn choice(
    card: &CardView,
    key: &CardKeyView,
    is_chosen: Signal<bool>,
    chosen: RwSignal<Option<Fingerprint>>,
) -> AnyView {
    let fingerprint = key.fingerprint;
    let name = key
        .chr
        .as_ref()
        .map_or(String::new(), |chr| format!(" ({})", chr.as_str()));
    view! {
        <label class="choice">
            <input
                type="radio"
                name="login-key"
                data-testid=format!("login-card-{}", fingerprint.to_hex())
                prop:checked=move || is_chosen.get()
                on:change=move |_| chosen.set(Some(fingerprint))
            />
            <span>
                {format!("{}{name}", key.label)}
                <span class="hint">{format!("Card {} · key {}", card.device, fingerprint.short())}</span>
            </span>
        </label>
    }
    .into_any()
}
