//! All activations, and the form that asks for one.

mod request;

use countersign_protocol::operator::Role;
use leptos::prelude::*;

use crate::{
    components::{ActivationRows, Disclosure, Empty, Page, WorkProblem},
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
            <Part title="Active" ended=false />
            <Part title="Ended" ended=true />
        </Page>
    }
}

/// Those that have ended, or those that have not; nothing where there are none.
#[component]
fn Part(title: &'static str, ended: bool) -> impl IntoView {
    let portal = Portal::here();
    let views = Memo::new(move |_| {
        portal.activations.with(|all| {
            let those = all.iter().filter(|view| view.state.is_ended() == ended);
            those.cloned().collect::<Vec<_>>()
        })
    });
    let any = Memo::new(move |_| !views.with(Vec::is_empty));
    view! {
        {move || {
            any.get()
                .then(|| {
                    view! {
                        <section aria-label=title>
                            <h2>{title}</h2>
                            <ul class="rows">
                                <ActivationRows views=views testid="activation" />
                            </ul>
                        </section>
                    }
                })
        }}
    }
    .into_any()
}
