//! A button that shows that its work is running.

use leptos::prelude::*;

use crate::work::Work;

/// Submits the form around it, or calls `on_press`.
#[component]
pub fn WorkButton(
    /// The work that it starts.
    work: Work,
    /// Verb and object.
    #[prop(into)]
    label: String,
    #[prop(into)] testid: String,
    /// `primary`, `danger` or empty.
    #[prop(optional)]
    class: &'static str,
    /// Called on a click. Without it, the button submits its form.
    #[prop(optional)]
    on_press: Option<Callback<()>>,
    /// Whether the button can't be used now.
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
            // Not `disabled` while the work runs: a disabled button loses the focus.
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
