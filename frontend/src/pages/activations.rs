//! All activations, and the form that asks for one.

mod request;

use countersign_protocol::{activation::ActivationView, operator::Role};
use leptos::prelude::*;

use crate::{
    components::{ActivationSection, Disclosure, Empty, Page, WorkProblem},
    portal::Portal,
    work::Work,
};
use request::RequestForm;

/// The page.
#[component]
pub fn Activations() -> impl IntoView {
    let portal = Portal::here();
    let load = Work::new();
    load.run(async move { portal.refresh_activations("all").await });
    let open = RwSignal::new(false);
    let may_ask = portal.is(Role::Requester);
    let (active, ended) = (those(portal, false), those(portal, true));
    let none = move || portal.activations.with(Vec::is_empty) && !load.busy.get();
    view! {
        <Page title="Activations">
            <p class="lead">
                "An activation asks the custodians to open an HSM for one purpose, for a limited time and number of signatures."
            </p>
            {may_ask
                .then(|| {
                    view! {
                        <Disclosure
                            open=open
                            label="Request an activation"
                            testid="request-open"
                            class="primary"
                        >
                            <RequestForm />
                        </Disclosure>
                    }
                })}
            <WorkProblem work=load />
            {move || {
                none()
                    .then(|| {
                        view! {
                            <Empty>
                                <p>
                                    {if may_ask {
                                        "Nobody has asked for anything yet. Begin with “Request an activation”, or run "
                                    } else {
                                        "Nobody has asked for anything yet. Requesters begin here, or with "
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

/// Those that have ended, or those that have not.
fn those(portal: Portal, ended: bool) -> Memo<Vec<ActivationView>> {
    Memo::new(move |_| {
        portal.activations.with(|all| {
            let those = all.iter().filter(|view| view.state.is_ended() == ended);
            those.cloned().collect()
        })
    })
}
