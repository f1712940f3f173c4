//! API tokens.

use countersign_protocol::{
    id::TokenId,
    token::{CreatedToken, NewToken, TokenView},
};

use crate::{client::Client, error::ClientError, path::segment};

impl Client {
    /// The caller's tokens; every token for admins.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn tokens(&self) -> Result<Vec<TokenView>, ClientError> {
        self.get("/tokens")
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn create_token(&self, body: &NewToken) -> Result<CreatedToken, ClientError> {
        self.post("/tokens", body)
    }

    /// Withdraws a token.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn revoke_token(&self, id: &TokenId) -> Result<(), ClientError> {
        self.delete(&format!("/tokens/{}", segment(id.as_str())))
    }
}
