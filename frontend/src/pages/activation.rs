//! One activation, from request to receipt.

mod answer;
mod approve;
mod custodians;
mod files;
mod lease;
mod members;
mod terms;

use countersign_protocol::{
    activation::{ActivationState, ActivationView},
    id::ActivationId,
    operator::Role,
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_params_map;

use crate::{
    components::{Badge, Loading, Page, ProblemView, activation_tone},
    portal::{Portal, activation_path},
    words,
};
use answer::AnswerForm;
use custodians::Custodians;
use files::Files;
use lease::Lease;
use members::Members;
use terms::Terms;

/// The page.
#[component]
pub fn Activation() -> impl IntoView {
    let portal = Portal::here();
    let params = use_params_map();
    let id = Memo::new(move |_| {
        ActivationId::new(params.with(|params| params.get("id").unwrap_or_default()))
    });
    let failed = RwSignal::new(None);
    Effect::new(move |_| {
        let id = id.get();
        failed.set(None);
        spawn_local(async move {
            match portal.get(&activation_path(&id, "")).await {
                Ok(view) => portal.put_activation(view),
                Err(problem) => failed.set(Some(problem)),
            }
        });
    });
    let view = Memo::new(move |_| portal.activation(&id.get()));
    let title = Signal::derive(move || {
        view.with(|view| {
            view.as_ref().map_or_else(
                || format!("Activation {}", id.get()),
                |view| words::purpose(&view.terms.purpose),
            )
        })
    });
    // Only the parts that change are built anew while the page is live: a half-typed answer stays.
    let here =
        Memo::new(move |_| view.with(|view| view.as_ref().map(|view| view.terms.id.clone())));
    view! {
        <Page title=title>
            <ProblemView problem=failed />
            {move || match here.get() {
                Some(id) => view! { <Details id=id view=view /> }.into_any(),
                None if failed.with(Option::is_some) => ().into_any(),
                None => view! { <Loading /> }.into_any(),
            }}
        </Page>
    }
}

/// One aspect of the activation, built anew only when it changes.
fn aspect<T: PartialEq + Send + Sync + 'static>(
    view: Memo<Option<ActivationView>>,
    of: fn(&ActivationView) -> T,
) -> Memo<Option<T>> {
    Memo::new(move |_| view.with(|view| view.as_ref().map(of)))
}

#[component]
fn Details(id: ActivationId, view: Memo<Option<ActivationView>>) -> impl IntoView {
    let portal = Portal::here();
    let state = aspect(view, |view| view.state.clone());
    let notice = aspect(view, |view| view.notice.clone());
    let terms = aspect(view, |view| view.terms.clone());
    let progress = aspect(view, |view| {
        (
            view.custodians.clone(),
            view.authenticated,
            view.terms.quorum,
        )
    });
    let members = aspect(view, |view| view.members.clone());
    let reads_audit = [Role::Admin, Role::Auditor, Role::Custodian]
        .into_iter()
        .any(|role| portal.is(role));
    let audit = format!("/audit?activation={id}");
    let receipt = format!("/api/v1{}", activation_path(&id, "/receipt"));
    let file_name = format!("countersign-{id}.receipt.json");
    view! {
        <p class="state-line">
            {move || {
                state
                    .get()
                    .map(|state| {
                        view! {
                            <Badge
                                tone=activation_tone(&state)
                                text=words::state_name(&state)
                                testid="activation-state"
                            />
                            <span>{how(&state)}</span>
                        }
                    })
            }} <code class="quiet">{id.to_string()}</code>
        </p>
        <div role="status">
            {move || {
                notice
                    .get()
                    .flatten()
                    .map(|text| view! { <p class="notice wait" data-testid="notice">{text}</p> })
            }}
        </div>
        <div class="columns activation">
            <div class="column">
                {move || terms.get().map(|terms| view! { <Terms terms=terms /> })}
                {move || {
                    members
                        .get()
                        .filter(|members| !members.is_empty())
                        .map(|members| view! { <Members members=members /> })
                }}
                {move || {
                    progress
                        .get()
                        .map(|(custodians, authenticated, quorum)| {
                            view! {
                                <Custodians
                                    custodians=custodians
                                    authenticated=authenticated
                                    quorum=quorum
                                />
                            }
                        })
                }}
            </div>
            <div class="column">
                <AnswerForm id=id.clone() view=view /> <Lease id=id.clone() view=view />
                <section class="card" aria-labelledby="evidence">
                    <h2 id="evidence">"Evidence"</h2>
                    <p>
                        <a
                            class="button"
                            href=receipt
                            download=file_name
                            rel="external"
                            data-testid="activation-receipt"
                        >
                            "Save receipt"
                        </a>
                    </p>
                    <p class="hint">
                        "Who allowed what, and what was signed: the custodians\u{2019} signed approvals with the evidence for their keys, in one file that this server signs."
                    </p>
                    {reads_audit
                        .then(|| {
                            view! {
                                <p>
                                    <a href=audit data-testid="activation-audit">"Audit entries"</a>
                                </p>
                            }
                        })}
                </section>
            </div>
        </div>
        <Files id=id view=view />
    }
    .into_any()
}

/// What the state means here.
fn how(state: &ActivationState) -> String {
    match state {
        ActivationState::Queued => "Waits until an HSM is there and free.".to_owned(),
        ActivationState::Collecting => "Custodians are asked.".to_owned(),
        ActivationState::Open { .. } => "The quorum is met.".to_owned(),
        ActivationState::Ended { reason, .. } => format!("Locked: {reason}."),
    }
}
