//! The device behind an HSM.

use countersign_protocol::hsm::HsmView;
use leptos::prelude::*;

use crate::components::Fact;

/// What was verified about it.
#[component]
pub fn Device(
    /// The HSM.
    view: Memo<Option<HsmView>>,
) -> impl IntoView {
    let device = Memo::new(move |_| {
        view.with(|view| {
            view.as_ref()
                .map(|view| (view.transport.clone(), view.device.clone()))
        })
    });
    let facts = move || {
        let (transport, device) = device.get()?;
        Some(view! {
            <dl class="facts">
                <Fact name="Attached by">{transport}</Fact>
                {device
                    .map(|device| {
                        let channel = if device.secure_channel {
                            "encrypted to the verified device"
                        } else {
                            "not encrypted: this card can't do that"
                        };
                        view! {
                            <Fact name="Device">{device.id.to_string()}</Fact>
                            <Fact name="Vouched for by">{device.anchor}</Fact>
                            <Fact name="Certificate path">
                                <code>{device.path}</code>
                            </Fact>
                            <Fact name="Firmware">
                                {device.version.unwrap_or_else(|| "not told".to_owned())}
                            </Fact>
                            <Fact name="Channel">{channel}</Fact>
                        }
                    })}
            </dl>
        })
    };
    view! {
        <section class="card" aria-labelledby="device">
            <h2 id="device">"Device"</h2>
            {facts}
        </section>
    }
    .into_any()
}
