//! The lease: signatures, countdown, and the button that ends it.

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
    words,
    work::Work,
};

/// The card with progress, countdown and *Lock now*.
#[component]
pub fn Lease(id: ActivationId, view: Memo<Option<ActivationView>>) -> impl IntoView {
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
    let id = StoredValue::new(id);
    view! {
        <section class="card" aria-labelledby="lease">
            <h2 id="lease">"Signatures"</h2>
            <p class="count">
                <strong data-testid="activation-signatures">
                    {move || made.get().map(|(made, limit)| progress(made, limit))}
                </strong>
            </p>
            <progress
                aria-label="Signatures made"
                max=move || made.get().map_or(1, |(_, limit)| limit)
                value=move || made.get().map_or(0, |(made, _)| made)
            ></progress>
            {move || is_open.get().then(|| view! { <p class="countdown" role="timer">{countdown}</p> })}
            {move || end.get().map(|end| view! { <End id=id.get_value() end=end /> })}
        </section>
    }
    .into_any()
}

/// "3 of 30 signatures".
fn progress(made: u32, limit: u32) -> String {
    format!(
        "{} of {}",
        words::number(made),
        words::count(limit, "signature")
    )
}

/// The meaning of the button for this user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndKind {
    /// Lock the open HSM.
    Lock,
    /// Cancel the user's own request before it opens.
    CancelOwn,
    /// Cancel the request of another person before it opens.
    CancelForAll,
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
            (false, true, _) => Some(EndKind::CancelOwn),
            (false, _, true) => Some(EndKind::CancelForAll),
            _ => None,
        }
    })
}

#[component]
fn End(id: ActivationId, end: EndKind) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let submit = Callback::new(move |()| {
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
            "A running job finishes its current signature. The server then verifies that the HSM is locked.",
        ),
        EndKind::CancelOwn => (
            "Cancel request",
            "Custodians can no longer approve it. Nothing has been signed.",
        ),
        EndKind::CancelForAll => (
            "Cancel request for everyone",
            "To record only your own decision, use Decline.",
        ),
    };
    view! {
        <WorkProblem work=work />
        <div class="buttons">
            <WorkButton work=work label=label testid="activation-lock" class="danger" on_press=submit />
        </div>
        <p class="hint">{hint}</p>
    }
    .into_any()
}
