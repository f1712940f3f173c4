use countersign_protocol::{
    id::TokenId,
    token::{CreatedToken, NewToken, TokenView},
};

use crate::{client::Client, error::ClientError, path::segment};

impl Client {
    /// Lists the caller's tokens, or every token for an admin.
    pub fn tokens(&self) -> Result<Vec<TokenView>, ClientError> {
        self.get("/tokens")
    }

    pub fn create_token(&self, body: &NewToken) -> Result<CreatedToken, ClientError> {
        self.post("/tokens", body)
    }

    pub fn revoke_token(&self, id: &TokenId) -> Result<(), ClientError> {
        self.delete(&format!("/tokens/{}", segment(id.as_str())))
    }
}
