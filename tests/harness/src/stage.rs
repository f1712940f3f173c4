//! A complete running product: server, helper, four people, an HSM for 2 of 3 with an EC and an RSA key.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use countersign_client::{Client, Token};
use countersign_protocol::{
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
    person::Person,
    program::{Program, built},
    server::{Attachment, HsmSetup, Server, ServerSetup},
};

/// Name of the signing HSM.
pub const HSM: &str = "release";
/// Labels of its keys.
pub const EC_KEY: &str = "firmware-ec";
/// The RSA one.
pub const RSA_KEY: &str = "firmware-rsa";
/// Who plays: the first is the admin, the last the requester.
pub const PEOPLE: [&str; 4] = ["Anna", "Ben", "Carla", "Doug"];
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be set up.
pub struct StageSetup {
    /// Where everything lives.
    pub folder: PathBuf,
    /// Server.
    pub server: ServerSetup,
    /// Helper.
    pub helper: HelperSetup,
}

impl StageSetup {
    /// Cards as files in `folder`, the HSM attached from afar.
    ///
    /// # Errors
    /// File system's.
    pub fn remote(folder: &Path, profile: Profile) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let hsm = cards::signing_hsm(folder, profile)?;
        Self::with_hsm(folder, Attachment::Remote(Connector::new(&hsm)))
    }

    /// Cards as files in `folder`, the HSM in the server's process.
    ///
    /// # Errors
    /// File system's.
    pub fn simulated(folder: &Path, profile: Profile) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let hsm = cards::signing_hsm(folder, profile)?;
        Self::with_hsm(folder, Attachment::Simulator(hsm))
    }

    /// The same with the HSM attached in another way.
    ///
    /// # Errors
    /// File system's.
    pub fn with_hsm(folder: &Path, attachment: Attachment) -> anyhow::Result<Self> {
        Self::with_hsms(folder, vec![(HSM.into(), attachment)])
    }

    /// Several HSMs, by their names.
    ///
    /// # Errors
    /// File system's.
    pub fn with_hsms(folder: &Path, hsms: Vec<(String, Attachment)>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let so_pin_file = folder.join("so-pin");
        std::fs::write(&so_pin_file, SO_PIN)?;
        let hsms = hsms.into_iter().map(|(id, attachment)| HsmSetup {
            id,
            attachment,
            so_pin_file: so_pin_file.clone(),
        });
        let server = ServerSetup::new(&folder.join("server"), hsms.collect())?;
        let people = PEOPLE
            .iter()
            .map(|name| cards::personal(folder, name))
            .collect::<Result<_, _>>()?;
        let helper = HelperSetup {
            config: folder.join("helper"),
            port: server.helper_port,
            cards: people,
        };
        Ok(Self {
            folder: folder.to_owned(),
            server,
            helper,
        })
    }
}

/// Everything runs.
pub struct Stage {
    /// What was set up.
    pub setup: StageSetup,
    /// The server; `None` while it is stopped.
    pub server: Option<Server>,
    /// What attaches the HSM from afar; `None` where it is attached otherwise, or not.
    pub connector: Option<Program>,
    /// The helper with everybody's cards.
    pub helper: Helper,
    /// Anna, Ben, Carla, Doug, logged in.
    pub people: Vec<Person>,
    /// Configuration of the command line, with Doug's token.
    pub cli_config: PathBuf,
    /// A client with Doug's token.
    pub requester: Client,
}

impl Stage {
    /// Kills the server.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill_server(&mut self) -> anyhow::Result<()> {
        let server = self.server.take().context("the server runs")?;
        server.program.kill()
    }

    /// Sets everything up through the programs' own interfaces; `say` hears what is going on.
    ///
    /// # Errors
    /// The first thing that does not work.
    pub fn build(setup: StageSetup, say: &mut dyn FnMut(&str)) -> anyhow::Result<Self> {
        let stage = Self::with_people(setup, say)?;
        let admin = &stage.people[0].browser;
        let hsm = HsmId::new(HSM);
        wait(|| {
            let view = admin.hsm(&hsm)?;
            Ok(view.device.is_some().then_some(view))
        })?;
        say("Initialising the signing HSM for 2 of 3");
        let quorum = Quorum {
            required: 2,
            total: 3,
        };
        admin.initialise_hsm(
            &hsm,
            &InitialiseHsm {
                quorum,
                allow_replace: false,
                erase: None,
            },
        )?;
        stage.register_custodians(&hsm)?;
        for (label, key_type) in [
            (EC_KEY, NewKeyType::EcSecp256r1),
            (RSA_KEY, NewKeyType::Rsa2048),
        ] {
            say(&format!(
                "Generating the key {label} ({key_type}): Ben and Carla allow it"
            ));
            stage.generate_key(label, key_type)?;
        }
        Ok(stage)
    }

    /// Everything but the HSM: that is as from the factory, or as somebody left it.
    ///
    /// # Errors
    /// The first thing that does not work.
    pub fn with_people(setup: StageSetup, say: &mut dyn FnMut(&str)) -> anyhow::Result<Self> {
        let server = setup.server.start()?;
        let connector = match &setup.server.hsms[0].attachment {
            Attachment::Remote(connector) => Some(connector.start(&server.origin)?),
            Attachment::Simulator(_) | Attachment::Reader(_) => None,
        };
        let helper = setup.helper.start()?;
        let people = enrol(&setup.server, &server, &helper, say)?;
        let token_file = setup.folder.join("token");
        let secret = people[3]
            .browser
            .create_token(&NewToken {
                label: "demo".into(),
                keys: vec![],
                days: 1,
                certificate: None,
            })?
            .secret;
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

    /// Registers Anna, Ben and Carla in an HSM that was set up for three.
    ///
    /// # Errors
    /// Refused.
    pub fn register_custodians(&self, hsm: &HsmId) -> anyhow::Result<()> {
        let admin = &self.people[0].browser;
        for person in &self.people[..3] {
            admin.register_custodian(hsm, &RegisterCustodian { key: person.key() })?;
        }
        Ok(())
    }

    /// Has a key generated: Ben and Carla allow it.
    ///
    /// # Errors
    /// Refused.
    pub fn generate_key(&self, label: &str, key_type: NewKeyType) -> anyhow::Result<()> {
        generate(
            &self.people[0].browser,
            &self.helper,
            &self.people,
            label,
            key_type,
        )
    }

    /// The portal's origin.
    pub fn origin(&self) -> String {
        self.setup.server.origin()
    }

    /// The command line, as Doug has it.
    ///
    /// # Errors
    /// It was not built.
    pub fn cli(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(built("countersign")?);
        command.arg("--config").arg(&self.cli_config);
        Ok(command)
    }

    /// Asks for signatures of anything.
    ///
    /// # Errors
    /// Refused.
    pub fn ask_for_anything(&self, lease: LeaseLimits) -> anyhow::Result<ActivationId> {
        self.ask(Scope::Open, Some(lease))
    }

    /// Asks for signatures with the EC key.
    ///
    /// # Errors
    /// Refused.
    pub fn ask(&self, scope: Scope, lease: Option<LeaseLimits>) -> anyhow::Result<ActivationId> {
        let requested = self.requester.request_activation(&NewActivation {
            hsm: None,
            purpose: NewPurpose::Sign {
                keys: vec![EC_KEY.into()],
                scope,
            },
            reason: format!("check {}", uuid()),
            lease,
            collect_seconds: None,
            abandoned_after_seconds: None,
            join: Join::SamePurpose,
        })?;
        Ok(requested.activation.terms.id)
    }

    /// Waits until the activation is as wanted.
    ///
    /// # Errors
    /// It never is.
    pub fn wait_for(
        &self,
        id: &ActivationId,
        ready: impl Fn(&ActivationView) -> bool,
    ) -> anyhow::Result<ActivationView> {
        wait(|| {
            let view = self.requester.activation(id)?;
            Ok(ready(&view).then_some(view))
        })
        .with_context(|| format!("activation {id}"))
    }

    /// Lets these people authenticate, as soon as the HSM is free.
    ///
    /// # Errors
    /// Refused by helper or server.
    pub fn authenticate(
        &self,
        people: &[usize],
        id: &ActivationId,
    ) -> anyhow::Result<ActivationView> {
        let mut view = self.wait_for(id, |view| view.state == ActivationState::Collecting)?;
        for person in people {
            view = self.people[*person].authenticate(&self.helper, id)?;
        }
        Ok(view)
    }

    /// The HSM as an admin sees it.
    ///
    /// # Errors
    /// The server's.
    pub fn hsm(&self) -> anyhow::Result<HsmView> {
        Ok(self.people[0].browser.hsm(&HsmId::new(HSM))?)
    }

    /// Waits until the HSM is as wanted.
    ///
    /// # Errors
    /// It never is.
    pub fn wait_for_hsm(&self, ready: impl Fn(&HsmView) -> bool) -> anyhow::Result<HsmView> {
        wait(|| {
            let view = self.hsm()?;
            Ok(ready(&view).then_some(view))
        })
    }
}

fn enrol(
    setup: &ServerSetup,
    server: &Server,
    helper: &Helper,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<Vec<Person>> {
    let origin = &server.origin;
    let browser = || setup.client(None);
    let cards: Vec<_> = helper.connect(origin)?.cards()?;
    let card = |name: &str| -> anyhow::Result<DeviceId> {
        let card = cards.iter().find(|card| card.label == name);
        Ok(card
            .with_context(|| format!("{name}'s card is not in the helper"))?
            .device
            .clone())
    };
    let [first, others @ ..] = PEOPLE;
    let code = server
        .bootstrap_code
        .clone()
        .context("the server printed no one-time code")?;
    say(&format!(
        "{first} becomes the first admin, with the server's one-time code"
    ));
    let bootstrap = Bootstrap {
        code,
        name: first.into(),
        mail: None,
    };
    let link = browser()?.bootstrap(&bootstrap)?.link;
    let admin = Person::join(helper, browser()?, &link, &card(first)?)?;
    admin.log_in(helper)?;
    let mut people = vec![admin];
    for name in others {
        let role = if name == PEOPLE[3] {
            Role::Requester
        } else {
            Role::Custodian
        };
        say(&format!(
            "{name} is invited as {role}, and lets a card generate the key"
        ));
        let admin = &people[0];
        let new = NewInvitation {
            name: name.into(),
            mail: None,
            roles: vec![role],
        };
        let link = admin.browser.invite(&new)?.link;
        let person = Person::join(helper, browser()?, &link, &card(name)?)?;
        let confirmed = ConfirmKey {
            fingerprint: person.key(),
        };
        admin
            .browser
            .confirm_key(&person.operator.person.id, &confirmed)?;
        person.log_in(helper)?;
        people.push(person);
    }
    Ok(people)
}

fn generate(
    admin: &Client,
    helper: &Helper,
    people: &[Person],
    label: &str,
    key_type: NewKeyType,
) -> anyhow::Result<()> {
    let requested = admin.request_activation(&NewActivation {
        hsm: Some(HsmId::new(HSM)),
        purpose: NewPurpose::GenerateKey {
            label: label.into(),
            key_type,
        },
        reason: format!("The key {label} for the demo"),
        lease: None,
        collect_seconds: None,
        abandoned_after_seconds: None,
        join: Join::SamePurpose,
    })?;
    let id = requested.activation.terms.id;
    wait(|| Ok((admin.activation(&id)?.state == ActivationState::Collecting).then_some(())))?;
    for person in &people[1..3] {
        person.authenticate(helper, &id)?;
    }
    wait(|| Ok(admin.activation(&id)?.state.is_ended().then_some(())))?;
    let keys = admin.keys()?;
    if !keys.iter().any(|key| key.label == label && key.attested) {
        bail!(
            "the key {label} was not generated: {:?}",
            admin.activation(&id)?.state
        );
    }
    Ok(())
}

/// Asks again and again until there is something.
///
/// # Errors
/// What `look` fails with, or there was never anything.
pub fn wait<T>(mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("waited {} s in vain", PATIENCE.as_secs())
}

/// Two requests with the same reason would be one.
fn uuid() -> String {
    uuid::Uuid::now_v7().to_string()
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
