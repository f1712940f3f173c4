//! People and invitations.

mod confirm;
mod invite;
mod operator;

use countersign_protocol::{
    id::InvitationId,
    operator::{InvitationStatus, InvitationView, Role},
};
use leptos::prelude::*;

use crate::{
    api,
    components::{
        Badge, Disclosure, Empty, Loading, Page, ProblemView, Rows, When, WorkButton, WorkProblem,
    },
    fetched::{Fetched, Shown},
    portal::Portal,
    words,
    work::Work,
};
use invite::InviteForm;
use operator::OperatorRow;

#[component]
pub fn People() -> impl IntoView {
    let portal = Portal::here();
    let open = RwSignal::new(false);
    let is_admin = portal.is(Role::Admin);
    let loaded = Memo::new(move |_| portal.operators.with(Option::is_some));
    let operators = Signal::derive(move || portal.operators.get().unwrap_or_default());
    let list = move || {
        if !loaded.get() {
            return view! { <Loading /> }.into_any();
        }
        view! {
            <ul class="rows">
                <Rows
                    items=operators
                    key=|operator| operator.person.id.to_string()
                    row=|operator| {
                        (move || view! { <OperatorRow operator=operator.get() /> }).into_any()
                    }
                />
            </ul>
        }
        .into_any()
    };
    view! {
        <Page title="People">
            <p class="lead">
                "Everyone logs in with a key on a genuine card. An admin confirms each key by comparing six words with its owner."
            </p>
            {is_admin
                .then(|| {
                    view! {
                        <Disclosure
                            open=open
                            label="Create invitation…"
                            testid="invite-open"
                            class="primary"
                        >
                            <InviteForm />
                        </Disclosure>
                    }
                })}
            {list}
            {is_admin.then(|| view! { <Invitations /> })}
        </Page>
    }
}

#[component]
fn Invitations() -> impl IntoView {
    let portal = Portal::here();
    let invitations =
        Fetched::<InvitationView>::follow(portal, "/invitations", portal.people_changed);
    let failed = invitations.failed;
    let all = invitations.items();
    let open = Signal::derive(move || {
        let mut open = all.get();
        // A person who has accepted is in the list of people.
        open.retain(|one| one.status != InvitationStatus::Accepted);
        open
    });
    let shown = invitations.shown(open);
    view! {
        <section aria-labelledby="invitations">
            <h2 id="invitations">"Invitations"</h2>
            <ProblemView problem=failed />
            {move || match shown.get() {
                Shown::Failed => ().into_any(),
                Shown::Loading => view! { <Loading /> }.into_any(),
                Shown::Empty => {
                    view! {
                        <Empty>
                            <p>"No open invitations. Create one to get a link that works once."</p>
                        </Empty>
                    }
                        .into_any()
                }
                Shown::Rows => {
                    view! {
                        <ul class="rows">
                            <Rows
                                items=open
                                key=|invitation| invitation.id.to_string()
                                row=|invitation| {
                                    (move || view! { <Invitation invitation=invitation.get() /> })
                                        .into_any()
                                }
                            />
                        </ul>
                    }
                        .into_any()
                }
            }}
        </section>
    }
    .into_any()
}

#[component]
fn Invitation(invitation: InvitationView) -> impl IntoView {
    let (tone, word) = match invitation.status {
        InvitationStatus::Sent => ("wait", "Pending"),
        InvitationStatus::Opened => ("busy", "Link opened"),
        InvitationStatus::Accepted => ("good", "Key enrolled"),
        InvitationStatus::Revoked => ("plain", "Revoked"),
        InvitationStatus::Expired => ("plain", "Expired"),
    };
    let is_open = matches!(
        invitation.status,
        InvitationStatus::Sent | InvitationStatus::Opened
    );
    let mail = invitation.mail.map(|mail| format!(" · {mail}"));
    let name = invitation.name;
    let id = invitation.id;
    let testid = format!("invitation-{id}");
    view! {
        <li class="row" data-testid=testid>
            <div class="row-link">
                <span class="row-title">{name.clone()}</span>
                <span class="quiet">{words::roles(&invitation.roles)} {mail}</span>
            </div>
            <div class="row-side">
                <Badge tone=tone text=word />
                {is_open
                    .then(|| {
                        view! {
                            <span class="quiet">"expires " <When at=invitation.expires_at /></span>
                            <Revoke id=id name=name />
                        }
                    })}
            </div>
        </li>
    }
    .into_any()
}

#[component]
fn Revoke(id: InvitationId, name: String) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let revoke = Callback::new(move |()| {
        let path = format!("/invitations/{}", api::part(id.as_str()));
        work.run(async move {
            portal.delete(&path).await?;
            portal.people_changed.update(|count| *count += 1);
            Ok(())
        });
    });
    view! {
        <WorkButton
            work=work
            label=format!("Revoke {name}'s invitation")
            testid="invitation-withdraw"
            on_press=revoke
        />
        <WorkProblem work=work />
    }
    .into_any()
}
