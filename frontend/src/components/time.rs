//! Times: relative to read, exact to point at.

use countersign_protocol::Timestamp;
use leptos::prelude::*;

use crate::clock::{self, Clock};

/// "3 min ago", with the exact time in the title.
#[component]
pub fn When(
    /// The time.
    at: Timestamp,
) -> impl IntoView {
    let clock = use_context::<Clock>();
    view! {
        <time datetime=at.to_string() title=clock::exact(at)>
            {move || clock.map_or_else(|| at.to_string(), |clock| clock::relative(at, clock.now()))}
        </time>
    }
    .into_any()
}
