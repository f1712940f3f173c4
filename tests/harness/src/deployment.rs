//! A complete running deployment: server, helper, four people, and an HSM for 2 of 3 with an EC and an RSA key.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use countersign_client::{Client, Token};
use countersign_protocol::{
    act::NewAct,
    activation::{ActivationState, ActivationView, Join, NewActivation, NewPurpose, Quorum},
    cvc::DeviceId,
    hsm::{HsmView, InitialiseHsm, RegisterCustodian},
    id::{ActivationId, HsmId},
    lease::LeaseLimits,
    operator::{Bootstrap, ConfirmKey, NewInvitation, Role},
    purpose::{NewKeyType, Scope},
    token::NewToken,
};
use countersign_simulator::Profile;
use zeroize::Zeroizing;

use crate::{
    cards::{self, SO_PIN},
    connector::Connector,
    helper::{Helper, HelperSetup},
    people::{NAMES, People},
    person::Person,
    program::{Program, built},
    server::{Attachment, HsmSetup, Server, ServerSetup},
    wait::wait_for,
};

/// Id of the signing HSM.
pub const HSM: &str = "release";
/// Label of the HSM's EC key.
pub const EC_KEY: &str = "firmware-ec";
/// Label of the HSM's RSA key.
pub const RSA_KEY: &str = "firmware-rsa";

/// What to set up.
pub struct DeploymentSetup {
    /// Folder with everything that the programs read and write.
    pub folder: PathBuf,
    pub server: ServerSetup,
    pub helper: HelperSetup,
}

impl DeploymentSetup {
    /// The HSM is a simulated card that `countersign-helper connect` attaches.
    pub fn remote(folder: &Path, profile: Profile) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let hsm = cards::signing_hsm(folder, profile)?;
        Self::with_hsm(folder, Attachment::Remote(Connector::new(&hsm)))
    }

    /// The HSM is a simulated card in the server's process.
    pub fn simulated(folder: &Path, profile: Profile) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let hsm = cards::signing_hsm(folder, profile)?;
        Self::with_hsm(folder, Attachment::Simulator(hsm))
    }

    /// One HSM, attached in this way.
    pub fn with_hsm(folder: &Path, attachment: Attachment) -> anyhow::Result<Self> {
        Self::with_hsms(folder, vec![(HSM.into(), attachment)])
    }

    /// Several HSMs with their ids.
    pub fn with_hsms(folder: &Path, hsms: Vec<(String, Attachment)>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let hsms = hsms
            .into_iter()
            .map(|(id, attachment)| HsmSetup { id, attachment });
        let server = ServerSetup::new(&folder.join("server"), hsms.collect())?;
        let cards = NAMES
            .iter()
            .map(|name| cards::personal(folder, name))
            .collect::<Result<_, _>>()?;
        let helper = HelperSetup {
            config: folder.join("helper"),
            port: server.helper_port,
            cards,
        };
        Ok(Self {
            folder: folder.to_owned(),
            server,
            helper,
        })
    }
}

/// A running deployment. Dropping it kills its programs.
pub struct Deployment {
    pub setup: DeploymentSetup,
    /// `None` while the server is stopped.
    pub server: Option<Server>,
    /// The program that attaches a remote HSM; `None` if the HSM is attached in another way or not at all.
    pub connector: Option<Program>,
    /// One helper holds the cards of all four people.
    pub helper: Helper,
    pub people: People,
    /// Configuration of the command line, with Doug's token.
    pub cli_config: PathBuf,
    /// A client with Doug's token.
    pub requester: Client,
}

impl Deployment {
    /// Sets everything up through the programs' own interfaces, and reports each step to `say`.
    ///
    /// # Errors
    /// A step failed.
    pub fn build(setup: DeploymentSetup, say: &mut dyn FnMut(&str)) -> anyhow::Result<Self> {
        let deployment = Self::without_keys(setup, say)?;
        for (label, key_type) in [
            (EC_KEY, NewKeyType::EcSecp256r1),
            (RSA_KEY, NewKeyType::Rsa2048),
        ] {
            say(&format!(
                "Anna requests the key {label} ({key_type}); Ben and Carla approve"
            ));
            deployment.generate_key(label, key_type)?;
        }
        Ok(deployment)
    }

    /// Sets up everything, with an HSM that has no keys yet.
    ///
    /// # Errors
    /// A step failed.
    pub fn without_keys(setup: DeploymentSetup, say: &mut dyn FnMut(&str)) -> anyhow::Result<Self> {
        let deployment = Self::with_people(setup, say)?;
        let hsm = HsmId::new(HSM);
        deployment.wait_for_hsm(|hsm| hsm.device.is_some())?;
        say(&format!(
            "Anna initialises HSM {HSM} with a quorum of 2 of 3 and registers the custodians"
        ));
        let quorum = Quorum {
            required: 2,
            total: 3,
        };
        deployment.setup.server.deposit_so_pin(HSM, SO_PIN)?;
        let initialise = NewAct::InitialiseHsm(InitialiseHsm {
            hsm: hsm.clone(),
            quorum,
            allow_replace: false,
            erase: hsm.clone(),
        });
        deployment.anna().perform(&deployment.helper, &initialise)?;
        deployment.register_custodians(&hsm)?;
        Ok(deployment)
    }

    /// Sets up everything except the HSM, which stays as it is.
    ///
    /// # Errors
    /// A step failed.
    pub fn with_people(setup: DeploymentSetup, say: &mut dyn FnMut(&str)) -> anyhow::Result<Self> {
        let server = setup.server.start()?;
        let connector = match &setup.server.hsms[0].attachment {
            Attachment::Remote(connector) => Some(connector.start(&server.origin)?),
            Attachment::Simulator(_) | Attachment::Reader(_) => None,
        };
        let helper = setup.helper.start()?;
        let people = enrol_all(&setup.server, &server, &helper, say)?;
        let token_file = setup.folder.join("token");
        let new = NewToken {
            label: "demo".into(),
            keys: vec![],
            days: 1,
            certificate: None,
        };
        let secret = people.doug.create_token(&helper, new)?.secret;
        write_private(&token_file, &secret)?;
        let cli_config = setup.folder.join("config.toml");
        let mut lines = format!(
            "server = {:?}\ntoken_file = {:?}\n",
            server.origin, token_file
        );
        if let Some(tls) = &setup.server.tls {
            lines.push_str(&format!("ca_file = {:?}\n", tls.authority));
        }
        std::fs::write(&cli_config, lines)?;
        let token = Token::new(Zeroizing::new(secret)).map_err(anyhow::Error::msg)?;
        let requester = setup.server.client(Some(token))?;
        Ok(Self {
            server: Some(server),
            connector,
            helper,
            people,
            cli_config,
            requester,
            setup,
        })
    }

    /// Admin and custodian.
    pub fn anna(&self) -> &Person {
        &self.people.anna
    }

    /// Custodian.
    pub fn ben(&self) -> &Person {
        &self.people.ben
    }

    /// Custodian.
    pub fn carla(&self) -> &Person {
        &self.people.carla
    }

    /// Requester.
    pub fn doug(&self) -> &Person {
        &self.people.doug
    }

    /// Takes the running server out, so that the caller can stop it in its own way.
    pub fn take_server(&mut self) -> anyhow::Result<Server> {
        self.server.take().context("the server is not running")
    }

    pub fn kill_server(&mut self) -> anyhow::Result<()> {
        self.take_server()?.program.kill()
    }

    /// Starts the server again with the same data.
    pub fn restart_server(&mut self) -> anyhow::Result<()> {
        self.server = Some(self.setup.server.start()?);
        Ok(())
    }

    /// Registers Anna, Ben and Carla on an HSM that was initialised for three custodians.
    pub fn register_custodians(&self, hsm: &HsmId) -> anyhow::Result<()> {
        for person in self.people.custodians() {
            let register = NewAct::RegisterCustodian(RegisterCustodian {
                hsm: hsm.clone(),
                key: person.key(),
            });
            self.anna().perform(&self.helper, &register)?;
        }
        Ok(())
    }

    /// Generates a key: Anna requests it, Ben and Carla approve.
    pub fn generate_key(&self, label: &str, key_type: NewKeyType) -> anyhow::Result<()> {
        let admin = &self.anna().browser;
        let requested = admin.request_activation(&NewActivation {
            hsm: Some(HsmId::new(HSM)),
            purpose: NewPurpose::GenerateKey {
                label: label.into(),
                key_type,
            },
            reason: format!("The key {label} for the demo"),
            lease: None,
            approval_seconds: None,
            abandoned_after_seconds: None,
            join: Join::SamePurpose,
        })?;
        let id = requested.activation.id();
        let reaches = |ready: fn(&ActivationState) -> bool| {
            wait_for(|| Ok(ready(&admin.activation(&id)?.state).then_some(())))
        };
        reaches(|state| *state == ActivationState::AwaitingApprovals)?;
        for person in [self.ben(), self.carla()] {
            person.approve(&self.helper, &id)?;
        }
        reaches(ActivationState::is_ended)?;
        let keys = admin.keys()?;
        ensure!(
            keys.iter().any(|key| key.label == label && key.attested),
            "the key {label} was not generated: {:?}",
            admin.activation(&id)?.state
        );
        Ok(())
    }

    /// The portal's origin.
    pub fn origin(&self) -> String {
        self.setup.server.origin()
    }

    /// The command line with Doug's configuration.
    ///
    /// # Errors
    /// The program was not built.
    pub fn cli(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(built("countersign")?);
        command.arg("--config").arg(&self.cli_config);
        Ok(command)
    }

    /// Requests signatures of any content with the EC key.
    pub fn request_any_content(&self, lease: LeaseLimits) -> anyhow::Result<ActivationId> {
        self.request(Scope::Open, Some(lease))
    }

    /// Requests signatures with the EC key. Every request has a reason of its own, because requests with the same reason are
    /// joined.
    pub fn request(
        &self,
        scope: Scope,
        lease: Option<LeaseLimits>,
    ) -> anyhow::Result<ActivationId> {
        let requested = self.requester.request_activation(&NewActivation {
            hsm: None,
            purpose: NewPurpose::Sign {
                keys: vec![EC_KEY.into()],
                scope,
            },
            reason: format!("check {}", uuid::Uuid::now_v7()),
            lease,
            approval_seconds: None,
            abandoned_after_seconds: None,
            join: Join::SamePurpose,
        })?;
        Ok(requested.activation.id())
    }

    /// Waits until `ready` accepts the activation.
    pub fn wait_for_activation(
        &self,
        id: &ActivationId,
        ready: impl Fn(&ActivationView) -> bool,
    ) -> anyhow::Result<ActivationView> {
        wait_for(|| {
            let view = self.requester.activation(id)?;
            Ok(ready(&view).then_some(view))
        })
        .with_context(|| format!("activation {id}"))
    }

    /// These custodians approve as soon as the HSM is free. Returns the activation after the last approval.
    ///
    /// # Errors
    /// Helper or server rejected an approval.
    pub fn approve<const N: usize>(
        &self,
        id: &ActivationId,
        custodians: [&Person; N],
    ) -> anyhow::Result<ActivationView> {
        let is_waiting = |view: &ActivationView| view.state == ActivationState::AwaitingApprovals;
        let mut view = self.wait_for_activation(id, is_waiting)?;
        for custodian in custodians {
            view = custodian.approve(&self.helper, id)?;
        }
        Ok(view)
    }

    /// The HSM as an admin sees it.
    pub fn hsm(&self) -> anyhow::Result<HsmView> {
        Ok(self.anna().browser.hsm(&HsmId::new(HSM))?)
    }

    /// Waits until `ready` accepts the HSM.
    pub fn wait_for_hsm(&self, ready: impl Fn(&HsmView) -> bool) -> anyhow::Result<HsmView> {
        wait_for(|| {
            let view = self.hsm()?;
            Ok(ready(&view).then_some(view))
        })
        .with_context(|| format!("HSM {HSM}"))
    }
}

fn enrol_all(
    setup: &ServerSetup,
    server: &Server,
    helper: &Helper,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<People> {
    let origin = &server.origin;
    let browser = || setup.client(None);
    let cards: Vec<_> = helper.connect(origin)?.cards()?;
    let card = |name: &str| -> anyhow::Result<DeviceId> {
        let card = cards.iter().find(|card| card.label == name);
        Ok(card
            .with_context(|| format!("the helper does not list {name}'s card"))?
            .device
            .clone())
    };
    let [first, second, third, fourth] = NAMES;
    let code = server
        .bootstrap_code
        .clone()
        .context("the server printed no one-time code")?;
    say(&format!(
        "{first} becomes the first admin with the server's one-time code"
    ));
    let bootstrap = Bootstrap {
        code,
        name: first.into(),
        mail: None,
    };
    let link = browser()?.bootstrap(&bootstrap)?.link;
    let anna = Person::enrol(helper, browser()?, &link, &card(first)?)?;
    anna.log_in(helper)?;
    let mut invite = |name: &str, role: Role| -> anyhow::Result<Person> {
        say(&format!(
            "{first} invites {name} as {role}; {name} enrols with a card, and {first} confirms the key"
        ));
        let new = NewInvitation {
            name: name.into(),
            mail: None,
            roles: vec![role],
        };
        let link = anna.invite(helper, new)?.link;
        let person = Person::enrol(helper, browser()?, &link, &card(name)?)?;
        let confirm = NewAct::ConfirmKey(ConfirmKey {
            person: person.operator.person.id.clone(),
            fingerprint: person.key(),
        });
        anna.perform(helper, &confirm)?;
        person.log_in(helper)?;
        Ok(person)
    };
    let ben = invite(second, Role::Custodian)?;
    let carla = invite(third, Role::Custodian)?;
    let doug = invite(fourth, Role::Requester)?;
    Ok(People {
        anna,
        ben,
        carla,
        doug,
    })
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    Ok(writeln!(file, "{text}")?)
}
