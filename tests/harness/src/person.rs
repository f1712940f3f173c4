//! A person with a browser and a card: does what the portal would, with server and helper.

use anyhow::{Context, bail};
use countersign_client::Client;
use countersign_protocol::{
    activation::{ActivationView, ApprovalOutcome},
    cvc::{DeviceId, Fingerprint},
    helper::{Answer, EnrolKey, Operation},
    id::ActivationId,
    limits::MAX_POOL,
    operator::{Enrolment, OpenInvitation, OperatorView},
    session::LogIn,
};

use crate::helper::{Helper, HelperConnection};

/// Most answers that one custodian may be asked for: by each HSM of the largest pool.
const MOST_ANSWERS: usize = 3 * MAX_POOL;

/// Somebody who has enrolled, and can log in once the key is confirmed. Clones share the browser.
#[derive(Clone)]
pub struct Person {
    /// As others see them.
    pub operator: OperatorView,
    /// Their browser.
    pub browser: Client,
    origin: String,
}

impl Person {
    /// Accepts an invitation with a key that the card generates, in a browser that nobody has logged in with.
    ///
    /// # Errors
    /// Refused by helper or server.
    pub fn join(
        helper: &Helper,
        browser: Client,
        link: &str,
        card: &DeviceId,
    ) -> anyhow::Result<Self> {
        let (_, code) = link
            .split_once('#')
            .context("an invitation's link has its code behind #")?;
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
                .context("the name gives no key name")?,
        };
        let operation = Operation::Enrol {
            task: opened.task,
            card: card.clone(),
            key,
        };
        let Answer::Enrolled { pka, statement } = helper.connect(&origin)?.ask(operation)? else {
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

    /// Their key.
    pub fn key(&self) -> Fingerprint {
        self.operator.key.fingerprint
    }

    /// Logs in with the card.
    ///
    /// # Errors
    /// Refused by helper or server.
    pub fn log_in(&self, helper: &Helper) -> anyhow::Result<()> {
        let task = self.browser.login_challenge()?.task;
        let operation = Operation::LogIn {
            task,
            key: self.key(),
        };
        let Answer::Statement { statement } = helper.connect(&self.origin)?.ask(operation)? else {
            bail!("unexpected answer to a log-in");
        };
        self.browser.log_in(&LogIn { statement })?;
        Ok(())
    }

    /// Presses *Authenticate*, and answers until the HSM has counted this custodian.
    ///
    /// # Errors
    /// Refused by helper or server.
    pub fn authenticate(
        &self,
        helper: &Helper,
        id: &ActivationId,
    ) -> anyhow::Result<ActivationView> {
        self.authenticate_at(helper.port, id)
    }

    /// [`Self::authenticate`] with the helper at this port.
    ///
    /// # Errors
    /// As there.
    pub fn authenticate_at(&self, port: u16, id: &ActivationId) -> anyhow::Result<ActivationView> {
        let mut connection = HelperConnection::open(port, &self.origin)?;
        let result = self.answer(&mut connection, id);
        connection.ask(Operation::Finish)?;
        result
    }

    fn answer(
        &self,
        connection: &mut HelperConnection,
        id: &ActivationId,
    ) -> anyhow::Result<ActivationView> {
        let mut operation = Operation::Approve {
            task: self.browser.approval_task(id)?.task,
        };
        for _ in 0..MOST_ANSWERS {
            let Answer::Approved { evidence } = connection.ask(operation)? else {
                bail!("unexpected answer to an approval");
            };
            match self.browser.approve(id, &evidence)? {
                ApprovalOutcome::Counted { activation } => return Ok(*activation),
                ApprovalOutcome::SignAgain { task } => operation = Operation::ApproveAgain { task },
            }
        }
        bail!(
            "the HSM did not count {} after {MOST_ANSWERS} answers",
            self.operator.person.name
        )
    }
}
