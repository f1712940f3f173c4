//! A button that unfolds a form below itself.

use leptos::{ev, prelude::*};

use crate::browser;

/// The button and what it unfolds; Escape and *Close* fold it again, and the focus goes along.
#[component]
pub fn Disclosure(
    /// Whether it is unfolded.
    open: RwSignal<bool>,
    /// What the button says.
    #[prop(into)]
    label: String,
    /// For tests; also the element's id.
    #[prop(into)]
    testid: String,
    /// Class of the button.
    #[prop(optional)]
    class: &'static str,
    /// What is unfolded.
    children: ChildrenFn,
) -> impl IntoView {
    let panel = format!("{testid}-panel");
    let controls = panel.clone();
    let first_field = format!("#{panel} :is(input, select, textarea, button):not([data-fold])");
    let button = format!("#{testid}");
    // Not on the first run: a page does not begin in the middle.
    Effect::new(move |before: Option<bool>| {
        let now = open.get();
        match before {
            Some(false) if now => browser::focus(first_field.as_str()),
            Some(true) if !now => browser::focus(button.as_str()),
            _ => {}
        }
        now
    });
    view! {
        <div class="disclosure" class:unfolded=move || open.get()>
            <button
                type="button"
                id=testid.clone()
                class=class
                data-testid=testid
                aria-expanded=move || open.get().to_string()
                aria-controls=controls
                on:click=move |_| open.update(|open| *open = !*open)
            >
                {label}
            </button>
            <div id=panel.clone() class="unfold">
                {move || {
                    open.get()
                        .then(|| {
                            view! {
                                <div
                                    class="panel"
                                    on:keydown=move |event: ev::KeyboardEvent| {
                                        if event.key() == "Escape" {
                                            open.set(false);
                                        }
                                    }
                                >
                                    {children()}
                                    <button
                                        type="button"
                                        class="plain"
                                        data-fold=""
                                        on:click=move |_| open.set(false)
                                    >
                                        "Close"
                                    </button>
                                </div>
                            }
                        })
                }}
            </div>
        </div>
    }
    .into_any()
}
