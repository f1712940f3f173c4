//! Bootstrap, invitations, enrolment, operators.

use countersign_protocol::{
    id::{InvitationId, OperatorId},
    operator::{
        Bootstrap, ConfirmKey, CreatedInvitation, Enrolment, InvitationView, NewInvitation,
        OpenInvitation, OpenedInvitation, OperatorView,
    },
};

use crate::{client::Client, error::ClientError, path::segment};

impl Client {
    /// Makes the first admin's invitation, with the code that the server printed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn bootstrap(&self, body: &Bootstrap) -> Result<CreatedInvitation, ClientError> {
        self.post("/bootstrap", body)
    }

    /// Opens an invitation: what it offers, and the task for the helper.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn open_invitation(&self, body: &OpenInvitation) -> Result<OpenedInvitation, ClientError> {
        self.post("/enrolment/open", body)
    }

    /// Enrols a key with an invitation's code.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn enrol(&self, body: &Enrolment) -> Result<OperatorView, ClientError> {
        self.post("/enrolment", body)
    }

    /// Everybody with an account.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn operators(&self) -> Result<Vec<OperatorView>, ClientError> {
        self.get("/operators")
    }

    /// Confirms a key whose fingerprint was compared.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn confirm_key(
        &self,
        id: &OperatorId,
        body: &ConfirmKey,
    ) -> Result<OperatorView, ClientError> {
        self.post(
            &format!("/operators/{}/confirm", segment(id.as_str())),
            body,
        )
    }

    /// Revokes an operator's key.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn revoke_key(&self, id: &OperatorId) -> Result<OperatorView, ClientError> {
        self.post_empty(
            &format!("/operators/{}/revoke", segment(id.as_str())),
            self.timeouts().answer,
        )
    }

    /// Invitations.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn invitations(&self) -> Result<Vec<InvitationView>, ClientError> {
        self.get("/invitations")
    }

    /// Invites a person.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn invite(&self, body: &NewInvitation) -> Result<CreatedInvitation, ClientError> {
        self.post("/invitations", body)
    }

    /// Withdraws an invitation.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn revoke_invitation(&self, id: &InvitationId) -> Result<(), ClientError> {
        self.delete(&format!("/invitations/{}", segment(id.as_str())))
    }
}
