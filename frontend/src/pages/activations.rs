//! All activations, and the form that asks for one.

mod request;

use countersign_protocol::{activation::ActivationView, operator::Role};
use leptos::prelude::*;

use crate::{
    components::{ActivationRow, Disclosure, Empty, Page, WorkProblem},
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
    let list = move |ended: bool| {
        let views = portal.activations.with(|all| {
            let those = all.iter().filter(|view| view.state.is_ended() == ended);
            those.cloned().collect::<Vec<_>>()
        });
        rows(views)
    };
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
            <section aria-label="Active">
                <ul class="rows">{move || list(false)}</ul>
            </section>
            <section aria-label="Ended">
                <ul class="rows">{move || list(true)}</ul>
            </section>
        </Page>
    }
}

fn rows(views: Vec<ActivationView>) -> AnyView {
    views
        .into_iter()
        .map(|view| {
            let testid = format!("activation-{}", view.terms.id);
            view! { <ActivationRow view=view testid=testid /> }
        })
        .collect_view()
        .into_any()
}
