//! The device behind an HSM.

use countersign_protocol::hsm::HsmView;
use leptos::prelude::*;

use crate::components::Fact;

/// The card with the verified facts about the device.
#[component]
pub fn Device(view: Memo<Option<HsmView>>) -> impl IntoView {
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
                <Fact name="Connection">{transport}</Fact>
                {device
                    .map(|device| {
                        let channel = if device.secure_channel {
                            "Encrypted to the verified device"
                        } else {
                            "None: this device doesn't support one"
                        };
                        view! {
                            <Fact name="Device">{device.id.to_string()}</Fact>
                            <Fact name="Certified by">{device.anchor}</Fact>
                            <Fact name="Certificate path">
                                <code>{device.path}</code>
                            </Fact>
                            <Fact name="Firmware">
                                {device.version.unwrap_or_else(|| "Unknown".to_owned())}
                            </Fact>
                            <Fact name="Secure channel">{channel}</Fact>
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
