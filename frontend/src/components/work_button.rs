//! A button that shows that its work is under way.

use leptos::prelude::*;

use crate::work::Work;

/// Submits the form around it, or calls `on_press`.
#[component]
pub fn WorkButton(
    /// What it starts.
    work: Work,
    /// What it says.
    label: &'static str,
    /// For tests.
    #[prop(into)]
    testid: String,
    /// `primary`, `danger` or nothing.
    #[prop(optional)]
    class: &'static str,
    /// Without it, the button submits its form.
    #[prop(optional)]
    on_press: Option<Callback<()>>,
    /// Not possible now.
    #[prop(optional, into)]
    disabled: Signal<bool>,
) -> impl IntoView {
    let kind = if on_press.is_some() {
        "button"
    } else {
        "submit"
    };
    view! {
        <button
            type=kind
            class=class
            data-testid=testid
            // A disabled button would lose the focus while it works.
            aria-disabled=move || work.busy.get().then_some("true")
            disabled=move || disabled.get()
            on:click=move |_| {
                if let Some(on_press) = on_press && !work.busy.get_untracked() {
                    on_press.run(());
                }
            }
        >
            {label}
            {move || work.busy.get().then(|| view! { <span class="spinner" aria-hidden="true"></span> })}
        </button>
    }
    .into_any()
}
