//! A person with a browser and a card, who does with server and helper what the portal would do.

use anyhow::{Context, bail};
use countersign_client::Client;
use countersign_protocol::{
    act::{ActOutcome, ActResult, ActToSign, NewAct, SignedAct},
    activation::{ActivationView, ApprovalOutcome},
    cvc::{DeviceId, Fingerprint},
    helper::{Answer, EnrolKey, Operation},
    id::{ActId, ActivationId},
    limits::MAX_POOL,
    operator::{CreatedInvitation, Enrolment, NewInvitation, OpenInvitation, OperatorView},
    session::LogIn,
    token::{CreatedToken, NewToken},
};

use crate::helper::{Helper, HelperConnection};

/// A card may have to sign again for each HSM of the largest pool, because other custodians approve at the same time.
const MOST_SIGNATURES: usize = 3 * MAX_POOL;

/// An enrolled person, who can log in once an admin has confirmed the key. Clones share the browser.
#[derive(Clone)]
pub struct Person {
    pub operator: OperatorView,
    pub browser: Client,
    origin: String,
}

impl Person {
    /// Accepts an invitation with a key that the card generates, in a browser in which nobody has logged in yet.
    ///
    /// # Errors
    /// The link has no code, or helper or server rejected the enrolment.
    pub fn enrol(
        helper: &Helper,
        browser: Client,
        link: &str,
        card: &DeviceId,
    ) -> anyhow::Result<Self> {
        let (_, code) = link
            .split_once('#')
            .context("the invitation's link has no code after #")?;
        let origin = browser.server().origin().to_owned();
        let opened = browser.open_invitation(&OpenInvitation {
            code: code.to_owned(),
        })?;
        let name = &opened.invitation.name;
        let holder: String = name
            .to_uppercase()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(9)
            .collect();
        let key = EnrolKey::Generate {
            label: format!("{name}'s key"),
            chr: format!("ZZ{holder}00001")
                .parse()
                .context("the name does not give a key ID")?,
        };
        let operation = Operation::Enrol {
            task: opened.task,
            card: card.clone(),
            key,
        };
        let Answer::Enrolled { pka, statement } = helper.connect(&origin)?.request(operation)?
        else {
            bail!("unexpected answer to an enrolment");
        };
        let enrolment = Enrolment {
            code: code.to_owned(),
            pka,
            statement: Some(statement),
        };
        let operator = browser.enrol(&enrolment)?;
        Ok(Self {
            operator,
            browser,
            origin,
        })
    }

    pub fn name(&self) -> &str {
        &self.operator.person.name
    }

    pub fn key(&self) -> Fingerprint {
        self.operator.key.fingerprint
    }

    /// Logs in with the card.
    pub fn log_in(&self, helper: &Helper) -> anyhow::Result<()> {
        let statement = self.signed_log_in(helper)?;
        self.browser.log_in(&statement)?;
        Ok(())
    }

    /// The statement with which a browser logs in.
    ///
    /// # Errors
    /// Helper or server rejected the request.
    pub fn signed_log_in(&self, helper: &Helper) -> anyhow::Result<LogIn> {
        let task = self.browser.login_challenge()?.task;
        let operation = Operation::LogIn {
            task,
            key: self.key(),
        };
        let Answer::Statement { statement } = helper.connect(&self.origin)?.request(operation)?
        else {
            bail!("unexpected answer to a log-in");
        };
        Ok(LogIn { statement })
    }

    /// Proposes an act, and signs it.
    ///
    /// # Errors
    /// Helper or server rejected it.
    pub fn perform(&self, helper: &Helper, new: &NewAct) -> anyhow::Result<ActOutcome> {
        let proposed = self.browser.propose_act(new)?;
        self.sign(helper, proposed)
    }

    /// Signs an act that somebody else proposed.
    ///
    /// # Errors
    /// Helper or server rejected it.
    pub fn sign_act(&self, helper: &Helper, id: &ActId) -> anyhow::Result<ActOutcome> {
        let to_sign = self.browser.act_task(id)?;
        self.sign(helper, to_sign)
    }

    fn sign(
        &self,
        helper: &Helper,
        ActToSign { act, task }: ActToSign,
    ) -> anyhow::Result<ActOutcome> {
        let operation = Operation::SignAct { task };
        let Answer::Statement { statement } = helper.connect(&self.origin)?.request(operation)?
        else {
            bail!("unexpected answer to an act");
        };
        let signed = SignedAct { statement };
        Ok(self.browser.sign_act(&act.terms.id, &signed)?)
    }

    /// Invites somebody.
    ///
    /// # Errors
    /// Helper or server rejected it.
    pub fn invite(&self, helper: &Helper, new: NewInvitation) -> anyhow::Result<CreatedInvitation> {
        match self.perform(helper, &NewAct::InvitePerson(new))?.result {
            ActResult::Invitation(created) => Ok(created),
            _ => bail!("the act made no invitation"),
        }
    }

    /// Creates an API token.
    ///
    /// # Errors
    /// Helper or server rejected it.
    pub fn create_token(&self, helper: &Helper, new: NewToken) -> anyhow::Result<CreatedToken> {
        match self.perform(helper, &NewAct::CreateToken(new))?.result {
            ActResult::Token(created) => Ok(created),
            _ => bail!("the act made no token"),
        }
    }

    /// Approves, and signs again until the HSM has accepted this custodian.
    ///
    /// # Errors
    /// Helper or server rejected the approval.
    pub fn approve(&self, helper: &Helper, id: &ActivationId) -> anyhow::Result<ActivationView> {
        self.approve_at(helper.port, id)
    }

    /// [`Self::approve`] with the helper that listens on this port.
    pub fn approve_at(&self, port: u16, id: &ActivationId) -> anyhow::Result<ActivationView> {
        let mut connection = HelperConnection::open(port, &self.origin)?;
        let result = self.approve_over(&mut connection, id);
        connection.request(Operation::Finish)?;
        result
    }

    fn approve_over(
        &self,
        connection: &mut HelperConnection,
        id: &ActivationId,
    ) -> anyhow::Result<ActivationView> {
        let mut operation = Operation::Approve {
            task: self.browser.approval_task(id)?.task,
        };
        for _ in 0..MOST_SIGNATURES {
            let Answer::Approved { approval: signed } = connection.request(operation)? else {
                bail!("unexpected answer to an approval");
            };
            match self.browser.approve(id, &signed)? {
                ApprovalOutcome::Counted { activation } => return Ok(*activation),
                ApprovalOutcome::SignAgain { task } => operation = Operation::ApproveAgain { task },
            }
        }
        bail!(
            "the HSM did not accept {} after {MOST_SIGNATURES} signatures",
            self.name()
        )
    }
}
