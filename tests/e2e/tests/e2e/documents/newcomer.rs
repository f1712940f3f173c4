//! A build engineer with a new account: a home directory, a token, and a key "firmware" on the HSM "release".

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use countersign_harness::{
    custodians::{Custodians, Reaction},
    deployment::{Deployment, DeploymentSetup, HSM},
    page::Page,
    program::built,
    shell::Shell,
};
use countersign_protocol::{
    activation::{ActivationState, Join, NewActivation, NewPurpose},
    id::{ActivationId, HsmId},
    lease::LeaseLimits,
    purpose::{NewKeyType, Scope},
};
use countersign_simulator::Profile;

/// The address of the server in all documents.
pub const SERVER: &str = "https://sign.example.org";
/// The key of all documents.
pub const KEY: &str = "firmware";
/// Where documents install the PKCS#11 module.
const MODULE: &str = "/usr/lib/countersign/libcountersign_pkcs11.so";

/// A shell, and a deployment whose custodians approve every request.
pub struct Newcomer {
    pub shell: Shell,
    // Declared before the deployment, because custodians stop before the server.
    _custodians: Custodians,
    pub deployment: Deployment,
    _scratch: tempfile::TempDir,
}

impl Newcomer {
    /// A deployment with one key.
    pub fn with_key(key_type: NewKeyType) -> anyhow::Result<Self> {
        Self::prepared(key_type, |_| Ok(()))
    }

    /// [`Self::with_key`] with a changed setup.
    pub fn prepared(
        key_type: NewKeyType,
        prepare: impl FnOnce(&mut DeploymentSetup) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let folder = scratch.path().join("deployment");
        let mut setup = DeploymentSetup::simulated(&folder, Profile::VENDOR)?;
        prepare(&mut setup)?;
        let deployment = Deployment::without_keys(setup, &mut |_| ())?;
        deployment.generate_key(KEY, key_type)?;
        let mut shell = Shell::new(scratch.path())?;
        shell.replace(SERVER, deployment.origin());
        shell.replace("/home/build", shell.home("").display().to_string());
        shell.replace(
            MODULE,
            built("libcountersign_pkcs11.so")?.display().to_string(),
        );
        Ok(Self {
            shell,
            _custodians: Custodians::start(&deployment, Reaction::Approve(Duration::ZERO)),
            deployment,
            _scratch: scratch,
        })
    }

    /// Writes the page's configuration, and the token that it names.
    pub fn configure(&self, page: &Page, heading: &str) -> anyhow::Result<()> {
        self.shell.write(
            self.shell.home(".config/countersign/config.toml"),
            &page.file(heading, "toml")?,
        )?;
        let token = self.shell.home(".countersign-token");
        fs::write(&token, self.token()?)?;
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600))?;
        Ok(())
    }

    /// The configuration of the page on the command line.
    pub fn configured(self) -> anyhow::Result<Self> {
        self.configure(&Page::read("docs/command-line.md")?, "## Configuration")?;
        Ok(self)
    }

    pub fn token(&self) -> anyhow::Result<String> {
        let token = fs::read_to_string(self.deployment.setup.folder.join("token"))?;
        Ok(token.trim().to_owned())
    }

    /// Writes the file `authorization` that pages describe for curl.
    pub fn write_authorization(&self) -> anyhow::Result<()> {
        let line = format!("Authorization: Bearer {}\n", self.token()?);
        self.shell.write("authorization", &line)
    }

    /// Requests any content with the key.
    pub fn request(&self, reason: &str) -> anyhow::Result<ActivationId> {
        let requested = self
            .deployment
            .requester
            .request_activation(&NewActivation {
                hsm: Some(HsmId::new(HSM)),
                purpose: NewPurpose::Sign {
                    keys: vec![KEY.into()],
                    scope: Scope::Open,
                },
                reason: reason.into(),
                lease: Some(LeaseLimits {
                    seconds: 600,
                    signatures: 100,
                }),
                approval_seconds: None,
                abandoned_after_seconds: None,
                join: Join::SamePurpose,
            })?;
        Ok(requested.activation.id())
    }

    /// [`Self::request`], and waits until custodians have approved.
    pub fn open(&self, reason: &str) -> anyhow::Result<ActivationId> {
        let id = self.request(reason)?;
        self.deployment.wait_for_activation(&id, |view| {
            matches!(view.state, ActivationState::Open { .. })
        })?;
        Ok(id)
    }

    /// Fails unless this activation has ended.
    pub fn must_have_ended(&self, id: &ActivationId) -> anyhow::Result<()> {
        let view = self.deployment.requester.activation(id)?;
        anyhow::ensure!(view.state.is_ended(), "{id} is {}", view.state.as_str());
        Ok(())
    }
}
