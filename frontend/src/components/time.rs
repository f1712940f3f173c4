//! Points in time.

use countersign_protocol::Timestamp;
use leptos::prelude::*;

use crate::clock::{self, Clock};

/// "3 min ago (28 Nov 2026, 06:53 UTC)", with the local time in the title.
#[component]
pub fn When(at: Timestamp) -> impl IntoView {
    let absolute = clock::absolute(at);
    let text = match use_context::<Clock>() {
        Some(clock) => view! {
            <span>{move || clock::relative(at, clock.now())}</span>
            " "
            <span>{format!("({absolute})")}</span>
        }
        .into_any(),
        None => view! { <span>{absolute}</span> }.into_any(),
    };
    view! {
        <time datetime=at.to_string() title=clock::local(at)>
            {text}
        </time>
    }
    .into_any()
}
