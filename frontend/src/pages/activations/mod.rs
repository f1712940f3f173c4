//! All activations, and the form that requests one.

mod request;

use countersign_protocol::{activation::ActivationView, operator::Role};
use leptos::prelude::*;

use crate::{
    components::{ActivationSection, Disclosure, Empty, Page, WorkProblem},
    portal::Portal,
    work::Work,
};
use request::RequestForm;

#[component]
pub fn Activations() -> impl IntoView {
    let portal = Portal::here();
    let load = Work::new();
    load.run(async move { portal.refresh_activations("all").await });
    let open = RwSignal::new(false);
    let may_request = portal.is(Role::Requester);
    let (active, ended) = (select(portal, false), select(portal, true));
    let is_empty = move || portal.activations.with(Vec::is_empty) && !load.busy.get();
    view! {
        <Page title="Activations">
            <p class="lead">
                "An activation is a request to the custodians to open an HSM for one purpose, for a limited time and number of signatures."
            </p>
            {may_request
                .then(|| {
                    view! {
                        <Disclosure
                            open=open
                            label="Request activation…"
                            testid="request-open"
                            class="primary"
                        >
                            <RequestForm />
                        </Disclosure>
                    }
                })}
            <WorkProblem work=load />
            {move || {
                is_empty()
                    .then(|| {
                        view! {
                            <Empty>
                                <p>
                                    {if may_request {
                                        "No activations yet. Request one here, or run "
                                    } else {
                                        "No activations yet. Requesters create them here or with "
                                    }} <code>"countersign sign"</code> "."
                                </p>
                            </Empty>
                        }
                    })
            }}
            <ActivationSection title="Active" views=active testid="activation" />
            <ActivationSection title="Ended" views=ended testid="activation" />
        </Page>
    }
}

/// The activations that have ended, or those that have not.
fn select(portal: Portal, ended: bool) -> Memo<Vec<ActivationView>> {
    Memo::new(move |_| {
        portal.activations.with(|all| {
            let selected = all.iter().filter(|view| view.state.is_ended() == ended);
            selected.cloned().collect()
        })
    })
}
