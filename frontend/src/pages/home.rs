//! What waits for me, what is active, and how the HSMs are.

mod advice;

use countersign_protocol::{
    activation::{ActivationState, ActivationView, Answer},
    operator::{KeyStatus, OperatorView, Role},
};
use leptos::prelude::*;

use super::hsms::HsmRows;
use crate::{
    components::{ActivationRows, ActivationSection, Empty, Loading, Page, Rows},
    portal::Portal,
};
use advice::next_steps;

/// The page.
#[component]
pub fn Home() -> impl IntoView {
    let portal = Portal::here();
    let title = move || {
        portal.me().map_or_else(
            || "Home".to_owned(),
            |me| format!("Hello, {}", me.person.name),
        )
    };
    let loaded = Memo::new(move |_| portal.hsms.with(Option::is_some));
    view! {
        <Page title=Signal::derive(title)>
            {move || {
                if loaded.get() {
                    view! { <Waiting /><Active /><Devices /> }.into_any()
                } else {
                    view! { <Loading /> }.into_any()
                }
            }}
        </Page>
    }
}

/// Whether this activation waits for this person's card.
fn waits_for(view: &ActivationView, me: &countersign_protocol::id::OperatorId) -> bool {
    view.state == ActivationState::Collecting
        // Nobody decides on their own request.
        && view.terms.requester.id != *me
        && view.custodians.iter().any(|custodian| {
            custodian.person.id == *me
                && matches!(custodian.answer, Answer::Missing | Answer::Forgotten { .. })
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
fn Waiting() -> impl IntoView {
    let portal = Portal::here();
    let for_me = Memo::new(move |_| {
        let Some(me) = portal.me() else {
            return Vec::new();
        };
        portal.activations.with(|all| {
            let mine = all.iter().filter(|view| waits_for(view, &me.person.id));
            mine.cloned().collect::<Vec<_>>()
        })
    });
    let people = Memo::new(move |_| unconfirmed(portal));
    let nothing = Memo::new(move |_| for_me.with(Vec::is_empty) && people.with(Vec::is_empty));
    view! {
        <section aria-labelledby="waiting">
            <h2 id="waiting">"Waiting for you"</h2>
            {move || {
                if nothing.get() {
                    return (move || view! { <Empty>{next_steps(portal)}</Empty> }).into_any();
                }
                view! {
                    <ul class="rows">
                        <ActivationRows views=for_me testid="waiting" />
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

fn key_to_confirm(operator: Memo<OperatorView>) -> AnyView {
    let name = move || operator.with(|operator| operator.person.name.clone());
    view! {
        <li class="row">
            <a class="row-link" href="/people">
                <span class="row-title">"Confirm the key of " {name}</span>
                <span class="row-text">
                    "Compare six words by telephone. Until then the key is good for nothing."
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
                !view.state.is_ended()
                    && !me.as_ref().is_some_and(|me| waits_for(view, &me.person.id))
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
