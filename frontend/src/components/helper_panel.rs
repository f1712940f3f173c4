//! Whether card helper and card are there, and what to do if not.

use leptos::prelude::*;

use crate::{
    helper::{Helper, Status, advice, step_words},
    portal::Portal,
};

/// Connects to the helper when it is shown.
#[component]
pub fn HelperPanel() -> impl IntoView {
    let helper = Helper::here();
    let portal = Portal::here();
    // The port is known once the server has answered.
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
            (advice.tone, advice.what, advice.then)
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
                <p class="hint">{move || advice.get().2}</p>
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

/// What the helper waits for, while a request runs.
#[component]
pub fn HelperProgress(
    /// Whether a request runs.
    busy: RwSignal<bool>,
) -> impl IntoView {
    let helper = Helper::here();
    view! {
        <div role="status" aria-live="polite">
            {move || {
                busy.get()
                    .then(|| {
                        view! {
                            <p class="progress" data-testid="helper-progress">
                                <span class="spinner" aria-hidden="true"></span>
                                {step_words(helper.step.get())}
                            </p>
                        }
                    })
            }}
        </div>
    }
    .into_any()
}
