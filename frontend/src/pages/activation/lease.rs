//! The open lease: what is left, and the end of it.

use countersign_protocol::{
    activation::{ActivationState, ActivationView},
    id::ActivationId,
    operator::Role,
};
use leptos::prelude::*;

use crate::{
    clock::{self, Clock},
    components::{WorkButton, WorkProblem},
    portal::{Portal, activation_path},
    work::Work,
};

/// Countdown, progress, *Lock now*.
#[component]
pub fn Lease(
    /// Which.
    id: ActivationId,
    /// As it stands.
    view: Memo<Option<ActivationView>>,
) -> impl IntoView {
    let portal = Portal::here();
    let clock = use_context::<Clock>();
    let state = super::aspect(view, |view| view.state.clone());
    let made = super::aspect(view, |view| (view.signatures, view.terms.lease.signatures));
    let is_open = Memo::new(move |_| matches!(state.get(), Some(ActivationState::Open { .. })));
    let is_active = Memo::new(move |_| state.get().is_some_and(|state| !state.is_ended()));
    let countdown = move || match state.get() {
        Some(ActivationState::Open { until, .. }) => {
            clock.map(|clock| format!("{} left", clock::left(until, clock.now())))
        }
        _ => None,
    };
    let end = Memo::new(move |_| may_end(portal, view).filter(|_| is_active.get()));
    let lock = StoredValue::new(id);
    view! {
        <section class="card" aria-labelledby="lease">
            <h2 id="lease">"Signatures"</h2>
            <p class="count">
                <strong data-testid="activation-signatures">
                    {move || made.get().map_or(0, |(made, _)| made)}
                </strong>
                {move || made.get().map(|(_, most)| format!(" of {most} made"))}
            </p>
            <progress
                aria-label="Signatures made"
                max=move || made.get().map_or(1, |(_, most)| most)
                value=move || made.get().map_or(0, |(made, _)| made)
            ></progress>
            {move || is_open.get().then(|| view! { <p class="countdown" role="timer">{countdown}</p> })}
            {move || end.get().map(|end| view! { <End id=lock.get_value() end=end /> })}
        </section>
    }
    .into_any()
}

/// What pressing the button means for this user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndKind {
    /// Lock the HSM.
    Lock,
    /// Take the request back.
    Withdraw,
    /// Stop a request that has not been answered.
    Stop,
}

fn may_end(portal: Portal, view: Memo<Option<ActivationView>>) -> Option<EndKind> {
    let me = portal.me()?;
    view.with(|view| {
        let view = view.as_ref()?;
        let mine = view.terms.requester.id == me.person.id;
        let custodian = view
            .custodians
            .iter()
            .any(|custodian| custodian.person.id == me.person.id);
        let open = matches!(view.state, ActivationState::Open { .. });
        match (open, mine, custodian || portal.is(Role::Admin)) {
            (true, true, _) | (true, _, true) => Some(EndKind::Lock),
            (false, true, _) => Some(EndKind::Withdraw),
            (false, _, true) => Some(EndKind::Stop),
            _ => None,
        }
    })
}

#[component]
fn End(id: ActivationId, end: EndKind) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let lock = Callback::new(move |()| {
        let id = id.clone();
        work.run(async move {
            let view = portal.act(&activation_path(&id, "/lock")).await?;
            portal.put_activation(view);
            Ok(())
        });
    });
    let (label, hint) = match end {
        EndKind::Lock => (
            "Lock now",
            "A running job stops after the current signature, and the lock is proven.",
        ),
        EndKind::Withdraw => ("Withdraw the request", "Custodians are no longer asked."),
        EndKind::Stop => (
            "End this request",
            "Ends it for everybody, and locks at once. To say no only for yourself, decline.",
        ),
    };
    view! {
        <WorkProblem work=work />
        <div class="buttons">
            <WorkButton work=work label=label testid="activation-lock" class="danger" on_press=lock />
        </div>
        <p class="hint">{hint}</p>
    }
    .into_any()
}
