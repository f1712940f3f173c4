//! The user's decision as a custodian: approve or decline.

use countersign_protocol::{
    activation::{ActivationState, ActivationView, Decision, Decline},
    id::ActivationId,
};
use leptos::prelude::*;

use super::approval::approve;
use crate::{
    components::{
        Disclosure, HelperPanel, HelperProgress, Prose, TextField, WorkButton, WorkProblem,
    },
    helper::Helper,
    portal::{Portal, activation_path},
    words,
    work::Work,
};

/// What the user can decide at current.
#[derive(Clone, PartialEq, Eq)]
enum Choice {
    /// Nothing: the user is not a custodian of this HSM, or the activation needs no decision any longer.
    None,
    /// Nothing yet: the activation waits for the HSM.
    Queued,
    /// Approve or decline. `again` is the reason if an earlier approval was lost.
    Pending { again: Option<String> },
    /// Nothing: the user requested the activation.
    Own,
    /// Nothing: the user has approved.
    Approved { missing: u8 },
    /// Nothing: the user has declined.
    Declined { missing: u8 },
}

fn choice(portal: Portal, view: &ActivationView) -> Choice {
    let Some(me) = portal.me() else {
        return Choice::None;
    };
    let Some(mine) = view
        .custodians
        .iter()
        .find(|custodian| custodian.person.id == me.person.id)
    else {
        return Choice::None;
    };
    let missing = view.terms.quorum.required.saturating_sub(view.approvals);
    match (&view.state, &mine.decision) {
        (ActivationState::Ended { .. } | ActivationState::Open { .. }, _)
            if view.terms.requester.id == me.person.id =>
        {
            Choice::None
        }
        (_, _) if view.terms.requester.id == me.person.id => Choice::Own,
        (ActivationState::Ended { .. }, _) => Choice::None,
        (_, Decision::Approved { .. }) => Choice::Approved { missing },
        (_, Decision::Declined { .. }) => Choice::Declined { missing },
        (ActivationState::Queued, _) => Choice::Queued,
        // One HSM of a pool may be open while another one still waits for approvals.
        (ActivationState::Open { .. }, _) if !is_awaiting_approvals(view) => Choice::None,
        (_, Decision::Pending) => Choice::Pending { again: None },
        (_, Decision::ApprovalLost { why }) => Choice::Pending {
            again: Some(why.clone()),
        },
    }
}

/// Whether any HSM still waits for approvals.
fn is_awaiting_approvals(view: &ActivationView) -> bool {
    let members = view.members.iter();
    members
        .map(|member| &member.state)
        .any(|state| *state == ActivationState::AwaitingApprovals)
}

/// The card with the decision. It is not shown if there is nothing to say.
#[component]
pub fn Decision(id: ActivationId, view: Memo<Option<ActivationView>>) -> impl IntoView {
    let portal = Portal::here();
    let choice = Memo::new(move |_| {
        view.with(|view| {
            view.as_ref()
                .map_or(Choice::None, |view| choice(portal, view))
        })
    });
    view! {
        {move || {
            let body = match choice.get() {
                Choice::None => return None,
                Choice::Queued => {
                    view! {
                        <p>
                            "You can approve or decline once the HSM is connected and free. This page updates automatically."
                        </p>
                    }
                        .into_any()
                }
                Choice::Own => {
                    view! {
                        <p data-testid="answer-own">
                            "You requested this, so you can't approve it. Other custodians decide."
                        </p>
                    }
                        .into_any()
                }
                Choice::Approved { missing } => {
                    view! {
                        <p class="done" data-testid="answer-done">{approved(missing)}</p>
                    }
                        .into_any()
                }
                Choice::Declined { missing } => view! { <p>{declined(missing)}</p> }.into_any(),
                Choice::Pending { again } => view! { <Pending id=id.clone() again=again /> }.into_any(),
            };
            Some(
                view! {
                    <section class="card accent" aria-labelledby="decision">
                        <h2 id="decision">"Your decision"</h2>
                        {body}
                    </section>
                },
            )
        }}
    }
    .into_any()
}

fn approved(missing: u8) -> String {
    match missing {
        0 => "You approved this request.".to_owned(),
        missing => format!(
            "You approved this request. {} needed.",
            words::more_approvals(missing)
        ),
    }
}

fn declined(missing: u8) -> String {
    match missing {
        0 => "You declined. The quorum was reached without you.".to_owned(),
        missing => format!(
            "You declined. The request can still open with {} from other custodians.",
            words::more_approvals(missing)
        ),
    }
}

#[component]
fn Pending(id: ActivationId, again: Option<String>) -> impl IntoView {
    let portal = Portal::here();
    let helper = Helper::here();
    let work = Work::new();
    let declining = RwSignal::new(false);
    let approved_id = id.clone();
    let submit = Callback::new(move |()| {
        let id = approved_id.clone();
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
            .map(|why| {
                view! {
                    <p class="notice wait">
                        <Prose text=format!("Approve again: {why}") />
                        " Your earlier approval no longer counts."
                    </p>
                }
            })}
        <p class="hint">
            "Your card helper shows the request again in its own window. Your card signs what that window shows, so compare it with this page."
        </p>
        <HelperPanel />
        <HelperProgress busy=work.busy />
        <WorkProblem work=work />
        <div class="buttons">
            <WorkButton
                work=work
                label="Approve"
                testid="activation-authenticate"
                class="primary"
                on_press=submit
            />
            <Disclosure open=declining label="Decline…" testid="activation-decline">
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
                label="Reason"
                value=reason
                testid="decline-reason"
                hint="Shown to everyone who can see this request."
            />
            <WorkProblem work=work />
            <WorkButton work=work label="Decline" testid="decline-submit" class="danger" />
        </form>
    }
    .into_any()
}
