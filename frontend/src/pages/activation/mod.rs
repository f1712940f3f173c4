//! One activation, from request to receipt.

mod approval;
mod custodians;
mod decision;
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
    clock,
    components::{Badge, Loading, Page, ProblemView, Prose, activation_tone},
    portal::{Portal, activation_path},
    words,
};
use custodians::Custodians;
use decision::Decision;
use files::Files;
use lease::Lease;
use members::Members;
use terms::Terms;

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
                |view| format!("{} – {}", view.terms.reason, view.id()),
            )
        })
    });
    // Live events rebuild only the parts that change, so that a half-typed reason stays.
    // An activation from a list or event lacks files until the request above is answered.
    let shown = Memo::new(move |_| {
        view.with(|view| {
            let whole = view.as_ref().filter(|view| view.omitted_files == 0);
            whole.map(|view| view.id())
        })
    });
    view! {
        <Page title=title>
            <ProblemView problem=failed />
            {move || match shown.get() {
                Some(id) => view! { <Details id=id view=view /> }.into_any(),
                None if failed.with(Option::is_some) => ().into_any(),
                None => view! { <Loading /> }.into_any(),
            }}
        </Page>
    }
}

/// A part of the activation. Views that read it are rebuilt only when that part changes.
fn aspect<T: PartialEq + Send + Sync + 'static>(
    view: Memo<Option<ActivationView>>,
    of: fn(&ActivationView) -> T,
) -> Memo<Option<T>> {
    Memo::new(move |_| view.with(|view| view.as_ref().map(of)))
}

#[component]
fn Details(id: ActivationId, view: Memo<Option<ActivationView>>) -> impl IntoView {
    let notice = aspect(view, |view| view.notice.clone());
    let terms = aspect(view, |view| {
        let milestone = match view.state {
            ActivationState::Ended { at, .. } => ("Ended", at),
            ActivationState::Open { since, .. } => ("Opened", since),
            _ => ("Approve by", view.terms.expires_at),
        };
        (view.terms.clone(), milestone)
    });
    let progress = aspect(view, |view| {
        (
            view.custodians.clone(),
            view.approvals,
            view.terms.quorum,
            view.state.is_ended(),
        )
    });
    let members = aspect(view, |view| view.members.clone());
    view! {
        <StateLine view=view />
        <div role="status">
            {move || {
                notice
                    .get()
                    .flatten()
                    .map(|text| {
                        view! {
                            <p class="notice wait" data-testid="notice">
                                <Prose text=text />
                            </p>
                        }
                    })
            }}
        </div>
        <div class="columns activation">
            <div class="column">
                {move || {
                    terms
                        .get()
                        .map(|(terms, milestone)| view! { <Terms terms=terms milestone=milestone /> })
                }}
                {move || {
                    members
                        .get()
                        .filter(|members| !members.is_empty())
                        .map(|members| view! { <Members members=members /> })
                }}
                {move || {
                    progress
                        .get()
                        .map(|(custodians, approvals, quorum, ended)| {
                            view! {
                                <Custodians
                                    custodians=custodians
                                    approvals=approvals
                                    quorum=quorum
                                    ended=ended
                                />
                            }
                        })
                }}
            </div>
            <div class="column">
                <Decision id=id.clone() view=view /> <Lease id=id.clone() view=view />
                <Receipt id=id.clone() />
            </div>
        </div>
        <Files id=id view=view />
    }
    .into_any()
}

#[component]
fn StateLine(view: Memo<Option<ActivationView>>) -> impl IntoView {
    let state = aspect(view, |view| {
        let approvals = words::approvals(view.approvals, view.terms.quorum);
        (view.state.clone(), approvals)
    });
    view! {
        <p class="state-line">
            {move || {
                state
                    .get()
                    .map(|(state, approvals)| {
                        view! {
                            <Badge
                                tone=activation_tone(&state)
                                text=words::state_name(&state)
                                testid="activation-state"
                            />
                            <span>{meaning(&state, approvals)}</span>
                        }
                    })
            }}
        </p>
    }
    .into_any()
}

/// The sentence beside the badge.
fn meaning(state: &ActivationState, approvals: String) -> String {
    match state {
        ActivationState::Queued => "Starts when the HSM is connected and free.".to_owned(),
        ActivationState::AwaitingApprovals => format!("{approvals}."),
        ActivationState::Open { until, left, .. } => format!(
            "Until {}, {} left.",
            clock::absolute(*until),
            words::count(*left, "signature")
        ),
        ActivationState::Ended { reason, .. } => words::end_sentence(reason, Some(approvals)),
    }
}

#[component]
fn Receipt(id: ActivationId) -> impl IntoView {
    let portal = Portal::here();
    let reads_audit = [Role::Admin, Role::Auditor, Role::Custodian]
        .into_iter()
        .any(|role| portal.is(role));
    let audit = format!("/audit?activation={id}");
    let receipt = format!("/api/v1{}", activation_path(&id, "/receipt"));
    let file_name = format!("countersign-{id}.receipt.json");
    view! {
        <section class="card" aria-labelledby="receipt">
            <h2 id="receipt">"Receipt"</h2>
            <p>
                <a
                    class="button"
                    href=receipt
                    download=file_name
                    rel="external"
                    data-testid="activation-receipt"
                >
                    "Download receipt"
                </a>
            </p>
            <p class="hint">
                "A signed record of who approved what and what was signed, with the custodians' approvals and their keys' attestations."
            </p>
            {reads_audit
                .then(|| {
                    view! {
                        <p>
                            <a href=audit data-testid="activation-audit">
                                "Show audit entries"
                            </a>
                        </p>
                    }
                })}
        </section>
    }
    .into_any()
}
