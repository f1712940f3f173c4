//! The home page: what needs the user's attention, active activations, HSMs.

mod advice;

use countersign_protocol::{
    act::ActView,
    activation::{ActivationState, ActivationView, Decision},
    operator::{KeyStatus, OperatorView, Role},
};
use leptos::prelude::*;

use super::hsms::HsmRows;
use crate::{
    acts::{self, can_sign},
    clock::Clock,
    components::{ActivationRows, ActivationSection, Badge, Empty, Loading, Page, Rows},
    portal::Portal,
    words,
};
use advice::next_steps;

#[component]
pub fn Home() -> impl IntoView {
    let portal = Portal::here();
    let loaded = Memo::new(move |_| portal.hsms.with(Option::is_some));
    view! {
        <Page title="Home">
            {move || {
                if loaded.get() {
                    view! { <Attention /><Active /><Devices /> }.into_any()
                } else {
                    view! { <Loading /> }.into_any()
                }
            }}
        </Page>
    }
}

/// Whether this activation needs a decision of this person.
fn needs(view: &ActivationView, me: &countersign_protocol::id::OperatorId) -> bool {
    view.state == ActivationState::AwaitingApprovals
        // A requester can't approve their own request.
        && view.terms.requester.id != *me
        && view.custodians.iter().any(|custodian| {
            custodian.person.id == *me
                && !custodian.revoked
                && matches!(custodian.decision, Decision::Pending | Decision::ApprovalLost { .. })
        })
}

fn unconfirmed(portal: Portal) -> Vec<OperatorView> {
    if !portal.is(Role::Admin) {
        return Vec::new();
    }
    portal.operators.with(|all| {
        let all = all.iter().flatten();
        all.filter(|operator| operator.status == KeyStatus::AwaitingConfirmation)
            .cloned()
            .collect()
    })
}

#[component]
fn Attention() -> impl IntoView {
    let portal = Portal::here();
    let for_me = Memo::new(move |_| {
        let Some(me) = portal.me() else {
            return Vec::new();
        };
        portal.activations.with(|all| {
            let mine = all.iter().filter(|view| needs(view, &me.person.id));
            mine.cloned().collect::<Vec<_>>()
        })
    });
    let people = Memo::new(move |_| unconfirmed(portal));
    let clock = use_context::<Clock>();
    let to_sign = Memo::new(move |_| {
        let now = clock.map(Clock::now);
        portal.acts.with(|all| {
            let mine = all.iter().flatten().filter(|act| {
                can_sign(portal, act) && now.is_none_or(|now| now < act.terms.expires_at)
            });
            mine.cloned().collect::<Vec<_>>()
        })
    });
    let nothing = Memo::new(move |_| {
        for_me.with(Vec::is_empty) && people.with(Vec::is_empty) && to_sign.with(Vec::is_empty)
    });
    view! {
        <section aria-labelledby="attention">
            <h2 id="attention">"Needs your attention"</h2>
            {move || {
                if nothing.get() {
                    return (move || view! { <Empty>{next_steps(portal)}</Empty> }).into_any();
                }
                view! {
                    <ul class="rows">
                        <ActivationRows views=for_me testid="waiting" />
                        <Rows
                            items=to_sign
                            key=|act| act.terms.id.to_string()
                            row=act_to_sign
                        />
                        <Rows
                            items=people
                            key=|operator| operator.person.id.to_string()
                            row=key_to_confirm
                        />
                    </ul>
                }
                    .into_any()
            }}
        </section>
    }
    .into_any()
}

fn act_to_sign(act: Memo<ActView>) -> AnyView {
    let (id, title, proposer) = act.with_untracked(|act| {
        let title = words::title(&act.terms.act.in_words());
        (act.terms.id.clone(), title, act.terms.proposer.name.clone())
    });
    let text = move || act.with(|act| format!("Proposed by {proposer}. {}.", acts::missing(act)));
    view! {
        <li class="row">
            <a class="row-link" href=format!("/acts#{}", acts::anchor(&id)) data-testid=format!("home-act-{id}")>
                <span class="row-title">{title}</span>
                <span class="row-text">{text}</span>
            </a>
            <div class="row-side">
                <Badge tone="wait" text="Sign with your card" />
            </div>
        </li>
    }
    .into_any()
}

fn key_to_confirm(operator: Memo<OperatorView>) -> AnyView {
    let title = move || operator.with(|operator| format!("Confirm {}'s key", operator.person.name));
    view! {
        <li class="row">
            <a class="row-link" href="/people">
                <span class="row-title">{title}</span>
                <span class="row-text">
                    "Compare the six words by phone. The key can't be used until you confirm it."
                </span>
            </a>
        </li>
    }
    .into_any()
}

#[component]
fn Active() -> impl IntoView {
    let portal = Portal::here();
    let active = Memo::new(move |_| {
        let me = portal.me();
        portal.activations.with(|all| {
            let others = all.iter().filter(|view| {
                !view.state.is_ended() && !me.as_ref().is_some_and(|me| needs(view, &me.person.id))
            });
            others.cloned().collect::<Vec<_>>()
        })
    });
    view! { <ActivationSection title="Active" views=active testid="active" /> }.into_any()
}

#[component]
fn Devices() -> impl IntoView {
    view! {
        <section aria-labelledby="devices">
            <h2 id="devices">"HSMs"</h2>
            <HsmRows testid="home-hsm" />
        </section>
    }
    .into_any()
}
