//! Enrolment: an invited person enrols a key that a genuine card attests.

mod form;
mod result;

use countersign_protocol::operator::{OpenInvitation, OpenedInvitation, OperatorView};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_location;

use crate::{
    api,
    components::{Loading, Page, ProblemView, When},
    words,
    work::problem,
};
use form::Form;
use result::Enrolled;

/// The page. The code is in the fragment of the address, so that it reaches no server log.
#[component]
pub fn Join() -> impl IntoView {
    let hash = use_location().hash;
    let code = Memo::new(move |_| hash.with(|hash| hash.trim_start_matches('#').to_owned()));
    let opened = RwSignal::new(None);
    let failed = RwSignal::new(None);
    let enrolled = RwSignal::new(None::<OperatorView>);
    Effect::new(move |_| {
        let code = code.get();
        opened.set(None);
        if code.is_empty() {
            failed.set(Some(problem(
                "The link is incomplete",
                "The part of the link after # is missing. Copy the whole link into the address bar.",
            )));
            return;
        }
        failed.set(None);
        spawn_local(async move {
            match api::post::<OpenedInvitation>("/enrolment/open", &OpenInvitation { code }).await {
                Ok(answer) => opened.set(Some(answer.invitation)),
                Err(problem) => failed.set(Some(problem)),
            }
        });
    });
    let body = move || {
        if let Some(operator) = enrolled.get() {
            return view! { <Enrolled operator=operator /> }.into_any();
        }
        if failed.with(Option::is_some) {
            return view! { <ProblemView problem=failed /> }.into_any();
        }
        let Some(invitation) = opened.get() else {
            return view! { <Loading /> }.into_any();
        };
        let name = invitation.name.clone();
        view! {
            <p class="lead">
                "Welcome, " <strong data-testid="join-name">{name.clone()}</strong>
                ". You are invited as " {words::roles(&invitation.roles)}
                ". The invitation expires " <When at=invitation.expires_at /> "."
            </p>
            <Form code=code.get_untracked() name=name enrolled=enrolled />
        }
        .into_any()
    };
    view! { <Page title="Enrol your card">{body}</Page> }
}
