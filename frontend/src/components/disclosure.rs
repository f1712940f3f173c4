//! A button that opens a form below itself.

use leptos::{ev, prelude::*};

use crate::browser;

/// The button and its panel. Escape and *Close* close the panel and return the focus to the button.
#[component]
pub fn Disclosure(
    /// Whether the panel is open.
    open: RwSignal<bool>,
    /// Label of the button. It ends in "…", because the act itself happens in the panel.
    #[prop(into)]
    label: String,
    /// Test id and id of the element.
    #[prop(into)]
    testid: String,
    /// Class of the button.
    #[prop(optional)]
    class: &'static str,
    /// Content of the panel.
    children: ChildrenFn,
) -> impl IntoView {
    let panel = format!("{testid}-panel");
    let controls = panel.clone();
    let first_field = format!("#{panel} :is(input, select, textarea, button):not([data-fold])");
    let button = format!("#{testid}");
    // The first run must not move the focus: a page begins at its heading.
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
