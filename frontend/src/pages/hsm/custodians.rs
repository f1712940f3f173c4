//! Custodians that are registered in the HSM, and those that can be registered.

use countersign_protocol::{
    act::NewAct,
    hsm::{HsmView, PkaView, RegisterCustodian, RegisteredCustodian},
    id::HsmId,
    operator::{KeyStatus, OperatorView, Role},
};
use leptos::prelude::*;

use super::path;
use crate::{
    acts::{Signing, SigningPanel},
    components::{Badge, Rows, When, WorkButton},
    portal::Portal,
    words,
};

/// The card with the quorum and its custodians.
#[component]
pub fn Custodians(id: HsmId, view: Memo<Option<HsmView>>) -> impl IntoView {
    let portal = Portal::here();
    let quorum = Memo::new(move |_| view.with(|view| view.as_ref().and_then(|view| view.pka)));
    let registered = Memo::new(move |_| {
        view.with(|view| {
            view.as_ref()
                .map_or_else(Vec::new, |view| view.custodians.clone())
        })
    });
    let candidates = Memo::new(move |_| {
        let missing = quorum.get().is_some_and(|pka| pka.missing > 0);
        if !missing || !portal.is(Role::Admin) {
            return Vec::new();
        }
        let registered = registered.get();
        portal.operators.with(|all| {
            let able = all.iter().flatten().filter(|operator| {
                operator.roles.contains(&Role::Custodian)
                    && !matches!(operator.status, KeyStatus::Revoked { .. })
                    && registered
                        .iter()
                        .all(|row| row.key != operator.key.fingerprint)
            });
            able.cloned().collect::<Vec<_>>()
        })
    });
    view! {
        <section class="card" aria-labelledby="custodians">
            <h2 id="custodians">"Custodians"</h2>
            <p class="count" role="status" data-testid="hsm-quorum">{move || quorum_words(quorum.get())}</p>
            <ul class="answers">
                <Rows
                    items=registered
                    key=|custodian: &RegisteredCustodian| custodian.key.to_hex()
                    row=|custodian| (move || row(custodian.get())).into_any()
                />
                <Rows
                    items=candidates
                    key=|operator: &OperatorView| operator.person.id.to_string()
                    row=move |operator| candidate(id.clone(), operator)
                />
            </ul>
            {move || {
                let no_candidate = candidates.with(Vec::is_empty) && quorum.get().is_some_and(|pka| pka.missing > 0);
                (no_candidate && portal.is(Role::Admin))
                    .then(|| {
                        view! {
                            <p>
                                "No enrolled custodian is left to register. " <a href="/people">"Invite custodians"</a>
                                " and confirm their keys."
                            </p>
                        }
                    })
            }}
        </section>
    }
    .into_any()
}

fn quorum_words(pka: Option<PkaView>) -> String {
    match pka {
        None => "No quorum yet. Initialise the HSM to set one.".to_owned(),
        Some(pka) if pka.missing > 0 => format!(
            "Quorum {}. {} of {} registered.",
            pka.quorum,
            pka.quorum.total.saturating_sub(pka.missing),
            words::count(pka.quorum.total, "key")
        ),
        Some(pka) => {
            let keys = words::count(pka.quorum.total, "key");
            format!("Quorum {}. {keys} registered.", pka.quorum)
        }
    }
}

fn row(custodian: RegisteredCustodian) -> AnyView {
    let (badge, origin) = if custodian.revoked {
        (
            view! { <Badge tone="bad" text="Revoked" /> },
            "Registered by",
        )
    } else {
        (view! { <Badge tone="good" text="Registered" /> }, "By")
    };
    let consequence = custodian.revoked.then_some(
        "The HSM still holds this key, but this server rejects its approvals. Initialise the HSM again to replace it.",
    );
    view! {
        <li data-testid=format!("hsm-custodian-{}", custodian.person.id)>
            <span class="answer-name">{custodian.person.name}</span>
            {badge}
            <span class="quiet">
                {format!("{origin} {}, ", custodian.registered_by.name)} <When at=custodian.registered_at />
            </span>
            <code class="quiet">{custodian.chr.as_str().to_owned()}</code>
            {consequence.map(|text| view! { <span class="quiet">{text}</span> })}
        </li>
    }
    .into_any()
}

fn candidate(hsm: HsmId, operator: Memo<OperatorView>) -> AnyView {
    (move || view! { <Candidate hsm=hsm.clone() operator=operator.get() /> }).into_any()
}

#[component]
fn Candidate(hsm: HsmId, operator: OperatorView) -> impl IntoView {
    let portal = Portal::here();
    let signing = Signing::new();
    let work = signing.work;
    let person = operator.person;
    let key = operator.key.fingerprint;
    let confirmed = matches!(operator.status, KeyStatus::Confirmed { .. });
    let register = Callback::new(move |()| {
        let register = RegisterCustodian {
            hsm: hsm.clone(),
            key,
        };
        let path = path(&hsm, "");
        work.run(async move {
            if signing
                .propose(NewAct::RegisterCustodian(register))
                .await?
                .is_some()
            {
                portal.store_hsm(portal.get(&path)).await?;
            }
            Ok(())
        });
    });
    view! {
        <li>
            <span class="answer-name">{person.name.clone()}</span>
            {if confirmed {
                view! {
                    <WorkButton
                        work=work
                        label=format!("Register {}'s key", person.name)
                        testid=format!("hsm-register-{}", person.id)
                        on_press=register
                    />
                }
                    .into_any()
            } else {
                view! { <a href="/people">"Confirm the key first"</a> }.into_any()
            }}
            <code class="quiet">{operator.key.chr.as_str().to_owned()}</code>
            <SigningPanel signing=signing lazy=true />
        </li>
    }
    .into_any()
}
