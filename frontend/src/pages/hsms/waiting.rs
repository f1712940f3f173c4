//! Remote devices that await acceptance by an admin.

use countersign_protocol::{
    act::NewAct,
    cvc::DeviceId,
    id::HsmId,
    remote::{AcceptDevice, WaitingDevice},
};
use leptos::prelude::*;

use crate::{
    acts::{Signing, SigningPanel},
    api,
    components::{Badge, Disclosure, ProblemView, Rows, TextField, When, WorkButton, WorkProblem},
    fetched::{Fetched, Shown},
    portal::Portal,
    work::Work,
};

/// The section with the devices. It is not shown while no device waits.
#[component]
pub fn WaitingDevices() -> impl IntoView {
    let portal = Portal::here();
    let devices = Fetched::<WaitingDevice>::follow(portal, "/devices", portal.devices_changed);
    let failed = devices.failed;
    let all = devices.items();
    let shown = devices.shown(all);
    let list = move || {
        (shown.get() == Shown::Rows).then(|| {
            view! {
                <section aria-labelledby="waiting">
                    <h2 id="waiting">"Devices awaiting acceptance"</h2>
                    <p>
                        "These devices are genuine. Accept only devices whose serial number you have checked."
                    </p>
                    <ul class="rows">
                        <Rows
                            items=all
                            key=|device| device.device.to_string()
                            row=|device| {
                                (move || view! { <Waiting device=device.get() /> }).into_any()
                            }
                        />
                    </ul>
                </section>
            }
        })
    };
    view! {
        <ProblemView problem=failed />
        {list}
    }
}

#[component]
fn Waiting(device: WaitingDevice) -> impl IntoView {
    let id = device.device.clone();
    let label = device
        .label
        .map_or_else(|| "Unlabelled".into(), |label| format!("“{label}”"));
    let version = device
        .version
        .map_or_else(String::new, |version| format!(" · firmware {version}"));
    let testid = format!("device-{id}");
    let serial = device.device.serial().to_owned();
    view! {
        <li class="row" data-testid=testid>
            <div class="row-link">
                <span class="row-title">{serial}</span>
                <span class="row-text">{format!("{label}, certified by {}", device.anchor)}</span>
                <span class="quiet">
                    {format!("From {}{version} · connected ", device.from)} <When at=device.since />
                </span>
            </div>
            <div class="row-side">
                <Badge tone="good" text="Genuine" />
                <Accept device=id.clone() />
                <Decline device=id />
            </div>
        </li>
    }
    .into_any()
}

#[component]
fn Accept(device: DeviceId) -> impl IntoView {
    let portal = Portal::here();
    let signing = Signing::new();
    let work = signing.work;
    let open = RwSignal::new(false);
    let name = RwSignal::new(String::new());
    view! {
        <Disclosure open=open label="Accept device…" testid="device-accept" class="primary">
            {
                let device = device.clone();
                view! {
                    <form on:submit=move |event| {
                        event.prevent_default();
                        let accept = AcceptDevice {
                            device: device.clone(),
                            hsm: HsmId::new(name.get_untracked().trim()),
                        };
                        work.run(async move {
                            let path = format!("/hsms/{}", api::part(accept.hsm.as_str()));
                            let done = signing.propose(NewAct::AcceptDevice(accept)).await?;
                            if done.is_some() {
                                portal.devices_changed.update(|count| *count += 1);
                                portal.store_hsm(portal.get(&path)).await?;
                            }
                            Ok(())
                        });
                    }>
                        <TextField
                            label="HSM name"
                            value=name
                            testid="device-name"
                            hint="Lowercase letters, digits and hyphens, for example “release”. It can't be given to another device later."
                        />
                        <SigningPanel signing=signing />
                        <WorkButton
                            work=work
                            label="Accept device"
                            testid="device-accept-submit"
                            class="primary"
                        />
                    </form>
                }
            }
        </Disclosure>
    }
    .into_any()
}

#[component]
fn Decline(device: DeviceId) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let path = format!("/devices/{}/decline", api::part(device.as_str()));
    let decline = Callback::new(move |()| {
        let path = path.clone();
        work.run(async move {
            let () = portal.act(&path).await?;
            portal.devices_changed.update(|count| *count += 1);
            Ok(())
        });
    });
    view! {
        <WorkButton work=work label="Decline device" testid="device-decline" on_press=decline />
        <WorkProblem work=work />
    }
    .into_any()
}
