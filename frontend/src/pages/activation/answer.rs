//! A custodian's answer: authenticate or decline.

use countersign_protocol::{
    activation::{ActivationState, ActivationView, Answer, Decline},
    id::ActivationId,
};
use leptos::prelude::*;

use super::approve::approve;
use crate::{
    components::{Disclosure, HelperPanel, HelperProgress, TextField, WorkButton, WorkProblem},
    helper::Helper,
    portal::{Portal, activation_path},
    work::Work,
};

/// What the user can answer now.
#[derive(Clone, PartialEq, Eq)]
enum Turn {
    /// No custodian of this HSM, or it is over.
    None,
    /// The activation has to wait for the HSM.
    Queued,
    /// Answer now; with the reason if it is the second time.
    Now(Option<String>),
    /// The user asked for it: others decide.
    Own,
    /// Counted.
    Done,
    /// Declined.
    Declined,
}

fn turn(portal: Portal, view: &ActivationView) -> Turn {
    let Some(me) = portal.me() else {
        return Turn::None;
    };
    let Some(mine) = view
        .custodians
        .iter()
        .find(|custodian| custodian.person.id == me.person.id)
    else {
        return Turn::None;
    };
    match (&view.state, &mine.answer) {
        (ActivationState::Ended { .. } | ActivationState::Open { .. }, _)
            if view.terms.requester.id == me.person.id =>
        {
            Turn::None
        }
        (_, _) if view.terms.requester.id == me.person.id => Turn::Own,
        (ActivationState::Ended { .. }, _) => Turn::None,
        (_, Answer::Authenticated { .. }) => Turn::Done,
        (_, Answer::Declined { .. }) => Turn::Declined,
        (ActivationState::Queued, _) => Turn::Queued,
        // Another HSM of the pool may be open while this one still asks.
        (ActivationState::Open { .. }, _) if !asks(view) => Turn::None,
        (_, Answer::Missing) => Turn::Now(None),
        (_, Answer::Forgotten { why }) => Turn::Now(Some(why.clone())),
    }
}

/// Whether any HSM still asks its custodians.
fn asks(view: &ActivationView) -> bool {
    let members = view.members.iter();
    members
        .map(|member| &member.state)
        .any(|state| *state == ActivationState::Collecting)
}

/// The form.
#[component]
pub fn AnswerForm(
    /// Which.
    id: ActivationId,
    /// As it stands.
    view: Memo<Option<ActivationView>>,
) -> impl IntoView {
    let portal = Portal::here();
    let turn = Memo::new(move |_| {
        view.with(|view| view.as_ref().map_or(Turn::None, |view| turn(portal, view)))
    });
    view! {
        {move || {
            let body = match turn.get() {
                Turn::None => return None,
                Turn::Queued => {
                    view! { <p>"You can answer when an HSM is there and free. This page shows it by itself."</p> }
                        .into_any()
                }
                Turn::Own => {
                    view! {
                        <p data-testid="answer-own">
                            "You asked for this yourself, so other custodians decide."
                        </p>
                    }
                        .into_any()
                }
                Turn::Done => {
                    view! { <p class="done" data-testid="answer-done">"You have authenticated, and are counted."</p> }
                        .into_any()
                }
                Turn::Declined => {
                    view! { <p>"You have declined. Others can still meet the quorum."</p> }.into_any()
                }
                Turn::Now(again) => view! { <Now id=id.clone() again=again /> }.into_any(),
            };
            Some(
                view! {
                    <section class="card accent" aria-labelledby="answer">
                        <h2 id="answer">"Your answer"</h2>
                        {body}
                    </section>
                },
            )
        }}
    }
    .into_any()
}

#[component]
fn Now(id: ActivationId, again: Option<String>) -> impl IntoView {
    let portal = Portal::here();
    let helper = Helper::here();
    let work = Work::new();
    let declining = RwSignal::new(false);
    let this = id.clone();
    let authenticate = Callback::new(move |()| {
        let id = this.clone();
        let hsms = portal
            .activation(&id)
            .map_or(1, |view| view.terms.members().len());
        work.run(async move {
            let view = approve(portal, helper, &id, hsms).await?;
            portal.put_activation(view);
            Ok(())
        });
    });
    view! {
        {again
            .map(|why| view! { <p class="notice wait">{format!("Please authenticate again: {why}")}</p> })}
        <p class="hint">
            "The card helper shows the request once more in its own window. Trust that window: sign only what it says."
        </p>
        <HelperPanel />
        <HelperProgress busy=work.busy />
        <WorkProblem work=work />
        <div class="buttons">
            <WorkButton
                work=work
                label="Authenticate"
                testid="activation-authenticate"
                class="primary"
                on_press=authenticate
            />
            <Disclosure open=declining label="Decline …" testid="activation-decline">
                <DeclineForm id=id.clone() />
            </Disclosure>
        </div>
    }
    .into_any()
}

#[component]
fn DeclineForm(id: ActivationId) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let reason = RwSignal::new(String::new());
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let id = id.clone();
        work.run(async move {
            let reason = reason.get_untracked().trim().to_owned();
            let view = portal
                .post(&activation_path(&id, "/decline"), &Decline { reason })
                .await?;
            portal.put_activation(view);
            Ok(())
        });
    };
    view! {
        <form class="form" on:submit=submit>
            <TextField
                label="Why do you decline?"
                value=reason
                testid="decline-reason"
                hint="Everybody who sees this request can read it."
            />
            <WorkProblem work=work />
            <WorkButton work=work label="Decline" testid="decline-submit" class="danger" />
        </form>
    }
    .into_any()
}
