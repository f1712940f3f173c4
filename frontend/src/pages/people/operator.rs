//! One person: key, status, and the actions of an admin.

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

#[component]
pub fn OperatorRow(operator: OperatorView) -> impl IntoView {
    let portal = Portal::here();
    let id = operator.person.id.clone();
    let is_me = portal.me().is_some_and(|me| me.person.id == id);
    let is_admin = portal.is(Role::Admin);
    let is_unconfirmed = operator.status == KeyStatus::AwaitingConfirmation;
    let revoked = matches!(operator.status, KeyStatus::Revoked { .. });
    let mail = operator.mail.clone().map(|mail| format!(" · {mail}"));
    let you = is_me.then_some(" (you)");
    let key = operator.key.clone();
    let testid = format!("person-{id}");
    // An admin can't confirm or revoke their own key.
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
                    <p class="quiet">{format!("On card {}, certified by {}", key.device, key.anchor)}</p>
                </details>
            </div>
            <div class="row-side">
                {status(&operator.status)}
                {actions
                    .then(|| {
                        view! {
                            {is_unconfirmed.then(|| view! { <Confirm operator=operator.clone() /> })}
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
            view! { <Badge tone="wait" text="Awaiting confirmation" /> }.into_any()
        }
        KeyStatus::Confirmed { by, at } => {
            let by = by.as_ref().map_or_else(
                || "First admin, ".to_owned(),
                |by| format!("By {}, ", by.name),
            );
            view! {
                <Badge tone="good" text="Confirmed" />
                <span class="quiet">{by} <When at=*at /></span>
            }
            .into_any()
        }
        KeyStatus::Revoked { by, at } => {
            let by = format!("By {}, ", by.name);
            view! {
                <Badge tone="bad" text="Revoked" />
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
    let label = format!("Confirm {}'s key…", operator.person.name);
    view! {
        <Disclosure open=open label=label testid=testid class="primary">
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
    let consequence = format!(
        "{name} can no longer log in or approve. This can't be undone. HSMs keep the key registered until they are \
         initialised again, but this server rejects its approvals."
    );
    view! {
        <Disclosure open=open label=format!("Revoke {name}'s key…") testid=testid>
            <p>{consequence.clone()}</p>
            <WorkProblem work=work />
            <WorkButton
                work=work
                label="Revoke key"
                testid="revoke-submit"
                class="danger"
                on_press=revoke
            />
        </Disclosure>
    }
    .into_any()
}
