//! Status of the card helper and its cards.

use leptos::prelude::*;

use super::Prose;
use crate::{
    helper::{Helper, Status, advice, step_text},
    portal::Portal,
};

/// The status, and what to do about it. The panel connects to the helper when it is shown.
#[component]
pub fn HelperPanel() -> impl IntoView {
    let helper = Helper::here();
    let portal = Portal::here();
    // The helper's port is part of the server's first answer.
    Effect::new(move |_| {
        if portal.about.with(Option::is_some)
            && helper
                .status
                .with_untracked(|status| *status == Status::Unused)
        {
            helper.connect();
        }
    });
    let advice = Memo::new(move |_| {
        helper.status.with(|status| {
            let advice = advice(status);
            (advice.tone, advice.status, advice.action)
        })
    });
    let failed =
        move || advice.with(|(tone, ..)| *tone == "bad") && !helper.status.with(Status::is_ready);
    view! {
        <div class="helper">
            <span class=move || format!("light {}", advice.get().0) aria-hidden="true"></span>
            <div>
                <p role="status" class="helper-what" data-testid="helper-status">
                    {move || advice.get().1}
                </p>
                <p class="hint">
                    {move || {
                        let action = advice.get().2;
                        (!action.is_empty()).then(|| view! { <Prose text=action /> })
                    }}
                </p>
                {move || {
                    failed()
                        .then(|| {
                            view! {
                                <button
                                    type="button"
                                    data-testid="helper-retry"
                                    on:click=move |_| helper.connect()
                                >
                                    "Try again"
                                </button>
                            }
                        })
                }}
            </div>
        </div>
    }
    .into_any()
}

/// The helper's current step while a request runs.
#[component]
pub fn HelperProgress(
    /// Whether a request runs.
    busy: RwSignal<bool>,
) -> impl IntoView {
    let helper = Helper::here();
    let text = Signal::derive(move || busy.get().then(|| step_text(helper.step.get()).to_owned()));
    view! { <ProgressLine text=text /> }
}

/// What happens at the moment.
#[component]
pub fn ProgressLine(
    /// `None` if nothing happens.
    text: Signal<Option<String>>,
) -> impl IntoView {
    view! {
        <div role="status" aria-live="polite">
            {move || {
                text.get()
                    .map(|text| {
                        view! {
                            <p class="progress" data-testid="helper-progress">
                                <span class="spinner" aria-hidden="true"></span>
                                {text}
                            </p>
                        }
                    })
            }}
        </div>
    }
    .into_any()
}
