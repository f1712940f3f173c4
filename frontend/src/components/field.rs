//! Form fields with their labels.

use leptos::prelude::*;

/// One line of text, or a number.
#[component]
pub fn TextField(
    /// What is asked for.
    label: &'static str,
    /// Where it goes.
    value: RwSignal<String>,
    /// For tests; also the element's id.
    testid: &'static str,
    /// Help below the field.
    #[prop(optional, into)]
    hint: Signal<String>,
    /// `text`, `number`, `email`.
    #[prop(default = "text")]
    kind: &'static str,
    /// Must be filled in.
    #[prop(default = true.into(), into)]
    required: Signal<bool>,
    /// Smallest number.
    #[prop(optional, into)]
    min: Option<&'static str>,
    /// Largest number.
    #[prop(optional, into)]
    max: Option<String>,
) -> impl IntoView {
    let hint_id = format!("{testid}-hint");
    let described_by = hint_id.clone();
    view! {
        <div class="field">
            <label for=testid>
                {label} {move || (!required.get()).then(|| view! { <span class="quiet">" (optional)"</span> })}
            </label>
            <input
                id=testid
                data-testid=testid
                type=kind
                required=move || required.get()
                min=min
                max=max
                autocomplete="off"
                aria-describedby=move || (!hint.with(String::is_empty)).then(|| described_by.clone())
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
            {move || {
                let hint = hint.get();
                (!hint.is_empty())
                    .then(|| view! { <p class="hint" id=hint_id.clone()>{hint}</p> })
            }}
        </div>
    }
    .into_any()
}

/// Yes or no.
#[component]
pub fn CheckField(
    /// What is asked.
    #[prop(into)]
    label: String,
    /// Where the answer goes.
    value: RwSignal<bool>,
    /// For tests.
    #[prop(into)]
    testid: String,
    /// Help below the field.
    #[prop(optional)]
    hint: &'static str,
) -> impl IntoView {
    view! {
        <label class="choice">
            <input
                type="checkbox"
                data-testid=testid
                prop:checked=move || value.get()
                on:change=move |event| value.set(event_target_checked(&event))
            />
            <span>
                {label}
                {(!hint.is_empty()).then(|| view! { <span class="hint">{hint}</span> })}
            </span>
        </label>
    }
    .into_any()
}
