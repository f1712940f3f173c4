//! What a form shows while the user's card signs its act, and afterwards.

use countersign_protocol::act::ActView;
use leptos::prelude::*;

use super::{Signing, anchor, missing, signing::Stage};
use crate::{
    components::{HelperPanel, ProgressLine, When, WorkProblem},
    helper::{Helper, step_text},
};

/// The helper, the current step, the problem of the last run, and the note that another person has to sign.
#[component]
pub fn SigningPanel(
    signing: Signing,
    /// Whether the helper is shown only after the first click. A page with many buttons would show it many times otherwise.
    #[prop(optional)]
    lazy: bool,
) -> impl IntoView {
    let helper = Helper::here();
    let work = signing.work;
    let used = Memo::new(move |before: Option<&bool>| {
        before.is_some_and(|before| *before) || !lazy || work.busy.get()
    });
    let text = Signal::derive(move || {
        work.busy.get().then(|| match signing.stage.get() {
            Stage::Preparing => "Contacting the server…".to_owned(),
            Stage::Signing => step_text(helper.step.get()).to_owned(),
            Stage::Sending { erases: None } => "The server checks the signature…".to_owned(),
            Stage::Sending { erases: Some(hsm) } => format!(
                "The server erases HSM {hsm}. Without a deposited SO-PIN it waits until you enter it on the server's terminal."
            ),
        })
    });
    view! {
        {move || used.get().then(|| view! { <HelperPanel /> })}
        <ProgressLine text=text />
        <WorkProblem work=work />
        <div role="status">{move || signing.awaiting.get().map(|act| awaiting(&act))}</div>
    }
    .into_any()
}

fn awaiting(act: &ActView) -> AnyView {
    let text = format!("Signed. {}: tell them. It is on the page ", missing(act));
    view! {
        <p class="notice wait" data-testid="act-awaiting">
            {text} <a href=format!("/acts#{}", anchor(&act.terms.id))>"Acts"</a> " and expires "
            <When at=act.terms.expires_at /> "."
        </p>
    }
    .into_any()
}
