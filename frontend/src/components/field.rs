//! Form fields with their labels.

use leptos::prelude::*;

/// One line of text, or a number.
#[component]
pub fn TextField(
    /// Label above the field.
    #[prop(into)]
    label: String,
    /// The text that was typed.
    value: RwSignal<String>,
    /// Test id and id of the element.
    testid: &'static str,
    /// Help below the field.
    #[prop(optional, into)]
    hint: Signal<String>,
    /// Type of the input: `text`, `number` or `email`.
    #[prop(default = "text")]
    kind: &'static str,
    /// Whether the field must be filled in.
    #[prop(default = true.into(), into)]
    required: Signal<bool>,
    #[prop(optional, into)] min: Option<String>,
    #[prop(optional, into)] max: Option<String>,
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

/// A checkbox.
#[component]
pub fn CheckField(
    /// Label beside the box.
    #[prop(into)]
    label: String,
    /// Whether the box is ticked.
    value: RwSignal<bool>,
    #[prop(into)] testid: String,
    /// Help below the label.
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
