use countersign_protocol::{id::TokenId, token::TokenView};

use crate::{client::Client, error::ClientError, path::segment};

impl Client {
    /// Lists the caller's tokens, or every token for an admin.
    pub fn tokens(&self) -> Result<Vec<TokenView>, ClientError> {
        self.get("/tokens")
    }

    pub fn revoke_token(&self, id: &TokenId) -> Result<(), ClientError> {
        self.delete(&format!("/tokens/{}", segment(id.as_str())))
    }
}
