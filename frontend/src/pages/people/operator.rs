//! One operator: key, status, what an admin can do.

use countersign_protocol::{
    id::OperatorId,
    operator::{KeyStatus, OperatorView, Role},
};
use leptos::prelude::*;

use super::confirm::ConfirmForm;
use crate::{
    api,
    components::{Badge, Digest, Disclosure, When, WorkButton, WorkProblem},
    portal::Portal,
    words,
    work::Work,
};

/// The entry.
#[component]
pub fn OperatorRow(
    /// The operator.
    operator: OperatorView,
) -> impl IntoView {
    let portal = Portal::here();
    let id = operator.person.id.clone();
    let is_me = portal.me().is_some_and(|me| me.person.id == id);
    let is_admin = portal.is(Role::Admin);
    let waits = operator.status == KeyStatus::AwaitingConfirmation;
    let revoked = matches!(operator.status, KeyStatus::Revoked { .. });
    let mail = operator.mail.clone().map(|mail| format!(" · {mail}"));
    let you = is_me.then_some(" (you)");
    let key = operator.key.clone();
    let testid = format!("person-{id}");
    // Another admin decides about one's own key.
    let actions = is_admin && !revoked && !is_me;
    view! {
        <li class="row" data-testid=testid>
            <div class="row-link">
                <span class="row-title">{operator.person.name.clone()} {you}</span>
                <span class="row-text">{words::roles(&operator.roles)} {mail}</span>
                <details>
                    <summary>{format!("Key {}", key.chr.as_str())}</summary>
                    <p>{key.words.join(" ")}</p>
                    <Digest hex=key.fingerprint.to_hex() />
                    <p class="quiet">{format!("on card {}, vouched for by {}", key.device, key.anchor)}</p>
                </details>
            </div>
            <div class="row-side">
                {status(&operator.status)}
                {actions
                    .then(|| {
                        view! {
                            {waits.then(|| view! { <Confirm operator=operator.clone() /> })}
                            <Revoke id=id name=operator.person.name />
                        }
                    })}
            </div>
        </li>
    }
    .into_any()
}

fn status(status: &KeyStatus) -> AnyView {
    match status {
        KeyStatus::AwaitingConfirmation => {
            view! { <Badge tone="wait" text="awaits confirmation" /> }.into_any()
        }
        KeyStatus::Confirmed { by, at } => {
            let by = by.as_ref().map_or_else(
                || "first admin, ".to_owned(),
                |by| format!("confirmed by {}, ", by.name),
            );
            view! {
                <Badge tone="good" text="confirmed" />
                <span class="quiet">{by} <When at=*at /></span>
            }
            .into_any()
        }
        KeyStatus::Revoked { by, at } => {
            let by = format!("by {}, ", by.name);
            view! {
                <Badge tone="bad" text="revoked" />
                <span class="quiet">{by} <When at=*at /></span>
            }
            .into_any()
        }
    }
}

#[component]
fn Confirm(operator: OperatorView) -> impl IntoView {
    let open = RwSignal::new(false);
    let testid = format!("confirm-{}", operator.person.id);
    view! {
        <Disclosure open=open label="Confirm key …" testid=testid class="primary">
            <ConfirmForm operator=operator.clone() />
        </Disclosure>
    }
    .into_any()
}

#[component]
fn Revoke(id: OperatorId, name: String) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let open = RwSignal::new(false);
    let testid = format!("revoke-{id}");
    let revoke = Callback::new(move |()| {
        let path = format!("/operators/{}/revoke", api::part(id.as_str()));
        work.run(async move {
            let view = portal.act(&path).await?;
            portal.put_operator(view);
            Ok(())
        });
    });
    let question = format!(
        "{name} can no longer log in or approve, and this can't be undone. In HSMs where the key is registered it stays: the \
         HSM decides that, and this server no longer asks it."
    );
    view! {
        <Disclosure open=open label="Revoke key …" testid=testid>
            <p>{question.clone()}</p>
            <WorkProblem work=work />
            <WorkButton
                work=work
                label="Revoke the key"
                testid="revoke-submit"
                class="danger"
                on_press=revoke
            />
        </Disclosure>
    }
    .into_any()
}
