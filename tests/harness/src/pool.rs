//! A pool: several remote HSMs with the same EC key.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use countersign_card::{
    DkekShare, InitializeOptions, KeyDomainOptions, KeyKind, KeySpec, Pin, PkaOptions,
    SignAlgorithm, SmartCardHsm, SoPin,
    pka::{ChallengeBehaviour, PkaResponse, RespondOutcome, Round},
};
use countersign_protocol::{
    cvc::{Curve, EcSignature, TrustAnchors, VerifiedDevice},
    hsm::HsmState,
    id::HsmId,
};
use countersign_simulator::{Profile, Simulator, simulated_anchor};
use zeroize::Zeroizing;

use crate::{
    cards::{self, SO_PIN},
    connector::Connector,
    deployment::{Deployment, DeploymentSetup, EC_KEY, HSM},
    helper::PIN,
    program::Program,
    server::Attachment,
    wait::wait_for,
};

/// A running server with the HSMs of a pool. `deployment.connector` attaches the first HSM.
pub struct Pool {
    pub deployment: Deployment,
    /// The programs that attach the HSMs after the first.
    pub others: Vec<Program>,
    /// How each HSM is attached.
    pub connectors: Vec<Connector>,
}

/// Id of an HSM: `release`, `release-2` and so on.
pub fn name(number: usize) -> HsmId {
    HsmId::new(match number {
        0 => HSM.into(),
        more => format!("{HSM}-{}", more + 1),
    })
}

impl Pool {
    /// Sets up `count` HSMs that take as long as real devices, in an empty folder.
    pub fn build(folder: &Path, count: usize) -> anyhow::Result<Self> {
        let cards = (0..count)
            .map(|number| create_initialised(folder, number))
            .collect::<Result<Vec<_>, _>>()?;
        let connectors: Vec<_> = cards.iter().map(|card| Connector::new(card)).collect();
        let hsms = connectors.iter().enumerate();
        let hsms = hsms
            .map(|(at, connector)| (name(at).to_string(), Attachment::Remote(connector.clone())));
        let setup = DeploymentSetup::with_hsms(&folder.join("deployment"), hsms.collect())?;
        let deployment = Deployment::with_people(setup, &mut |_| ())?;
        let mut pool = Self {
            deployment,
            others: Vec::new(),
            connectors,
        };
        pool.attach_others()?;
        pool.wait_for_all(|state| *state == HsmState::Registering)?;
        for number in 0..count {
            pool.deployment.register_custodians(&name(number))?;
        }
        pool.stop()?;
        copy_key(&cards, &pool.deployment.setup.helper.cards[..2])?;
        for connector in &mut pool.connectors {
            connector.device_times = true;
        }
        let server = pool.deployment.setup.server.start()?;
        pool.deployment.connector = Some(pool.connectors[0].start(&server.origin)?);
        pool.deployment.server = Some(server);
        pool.attach_others()?;
        pool.wait_for_all(|state| *state == HsmState::Locked)?;
        Ok(pool)
    }

    fn attach_others(&mut self) -> anyhow::Result<()> {
        let origin = self.deployment.origin();
        for connector in &self.connectors[1..] {
            self.others.push(connector.start(&origin)?);
        }
        Ok(())
    }

    fn wait_for_all(&self, wanted: impl Fn(&HsmState) -> bool) -> anyhow::Result<()> {
        let admin = &self.deployment.anna().browser;
        wait_for(|| {
            let hsms = admin.hsms()?;
            let all = hsms.iter().all(|hsm| wanted(&hsm.state));
            Ok((hsms.len() == self.connectors.len() && all).then_some(()))
        })
        .context("the HSMs of the pool did not reach the expected state")
    }

    /// Stops the server and the programs that attach the HSMs.
    ///
    /// # Errors
    /// A program ignored SIGTERM.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(server) = self.deployment.server.take() {
            server.program.terminate()?;
        }
        for connector in self
            .deployment
            .connector
            .take()
            .into_iter()
            .chain(self.others.drain(..))
        {
            connector.terminate()?;
        }
        Ok(())
    }
}

fn open(card: &Path) -> anyhow::Result<(SmartCardHsm, VerifiedDevice)> {
    let anchors = TrustAnchors::default().with_simulated(simulated_anchor()?)?;
    let mut card = SmartCardHsm::open(Simulator::open(card)?.connect())?;
    let device = card.device_chain()?.verify(&anchors)?;
    card.open_secure_channel(&device)?;
    Ok((card, device))
}

/// Creates an HSM with a quorum of 2 of 3 in the key domain of the pool.
fn create_initialised(folder: &Path, number: usize) -> anyhow::Result<PathBuf> {
    let file = cards::hsm(folder, &format!("POOL{number:02}"), Profile::VENDOR)?;
    let (mut card, device) = open(&file)?;
    let quorum = InitializeOptions::Quorum(PkaOptions::new(2, 3, false)?);
    let domain = KeyDomainOptions::Dkek { shares: 1 };
    card.initialize_with_domains(&quorum, domain, &SoPin::from_hex(SO_PIN)?)?;
    card.open_secure_channel(&device)?;
    card.import_dkek_share(0, &DkekShare::new([7; 32]))?;
    Ok(file)
}

/// Generates a key on the first HSM and copies it to the others, as custodians do when they meet in one place.
fn copy_key(hsms: &[PathBuf], custodians: &[PathBuf]) -> anyhow::Result<()> {
    let (first, others) = hsms.split_first().context("a pool has at least one HSM")?;
    let mut card = open_with(first, custodians)?;
    let spec = KeySpec {
        kind: KeyKind::Ec(Curve::Secp256r1),
        label: EC_KEY.into(),
        chr: "ZZPOOL00001".parse()?,
        algorithms: None,
        use_counter: None,
    };
    let (reference, _) = card.generate_key(&spec)?;
    let copy = card.wrap_key(reference)?;
    for other in others {
        open_with(other, custodians)?.unwrap_key(&copy)?;
    }
    Ok(())
}

/// Opens an HSM with these custodians' cards.
fn open_with(hsm: &Path, custodians: &[PathBuf]) -> anyhow::Result<SmartCardHsm> {
    let (mut hsm, device) = open(hsm)?;
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    for custodian in custodians {
        let (mut card, _) = open(custodian)?;
        card.verify_pin(&Pin::new(Zeroizing::new(PIN.to_owned()))?)?;
        let key = card
            .list_keys()?
            .into_iter()
            .next()
            .context("the custodian's card has no key")?;
        let request = key
            .request
            .context("the custodian's key has no attestation")?;
        loop {
            let challenge = round.challenge(&mut hsm)?;
            let digest = challenge.digest(device.id());
            let der = card.sign(key.reference, SignAlgorithm::Ecdsa, &digest)?;
            let signature = EcSignature::from_der(&der, Curve::BrainpoolP256r1)?;
            let response = PkaResponse {
                name: request.chr(),
                key: request.public_key(),
                challenge: &challenge,
                signature: &signature,
            };
            match round.respond(&mut hsm, &response)? {
                RespondOutcome::Counted(_) => break,
                RespondOutcome::NeedsFreshChallenge { .. } => {}
                other => bail!("unexpected: {other:?}"),
            }
        }
    }
    Ok(hsm)
}
