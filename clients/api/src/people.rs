//! Invitations, enrolment and people (operators in the API).

use countersign_protocol::{
    id::{InvitationId, OperatorId},
    operator::{
        Bootstrap, CreatedInvitation, Enrolment, InvitationView, OpenInvitation, OpenedInvitation,
        OperatorView,
    },
};

use crate::{client::Client, error::ClientError, path::segment};

impl Client {
    /// Creates the invitation for the first admin with the one-time code that the server printed.
    pub fn bootstrap(&self, body: &Bootstrap) -> Result<CreatedInvitation, ClientError> {
        self.post("/bootstrap", body)
    }

    /// Opens an invitation and returns its content and the enrolment task for the helper.
    pub fn open_invitation(&self, body: &OpenInvitation) -> Result<OpenedInvitation, ClientError> {
        self.post("/enrolment/open", body)
    }

    /// Enrols a key with an invitation's code.
    pub fn enrol(&self, body: &Enrolment) -> Result<OperatorView, ClientError> {
        self.post("/enrolment", body)
    }

    pub fn operators(&self) -> Result<Vec<OperatorView>, ClientError> {
        self.get("/operators")
    }

    pub fn revoke_key(&self, id: &OperatorId) -> Result<OperatorView, ClientError> {
        self.post_empty(
            &format!("/operators/{}/revoke", segment(id.as_str())),
            self.timeouts().response,
        )
    }

    pub fn invitations(&self) -> Result<Vec<InvitationView>, ClientError> {
        self.get("/invitations")
    }

    pub fn revoke_invitation(&self, id: &InvitationId) -> Result<(), ClientError> {
        self.delete(&format!("/invitations/{}", segment(id.as_str())))
    }
}
