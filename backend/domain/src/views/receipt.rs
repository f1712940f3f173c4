//! Receipts, which prove who approved the signatures of an activation.
//!
//! An activation can have so many signatures that its receipt does not fit into memory several times over. The receipt is therefore
//! written to a temporary file, with one page of signatures after the other.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
};

use base64::{engine::general_purpose::STANDARD, write::EncoderWriter};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationTerms, Decision},
    dsse::{Payload, canonical},
    encoding::Base64,
    id::ActivationId,
    receipt::{Receipt, ReceiptApproval},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{Connection, SqliteConnection};

use super::Views;
use crate::{
    activation::ActivationError,
    hsm::HsmError,
    identity::ServerKey,
    signing::to_view,
    store::{self, StoreError, activations::Activation, signatures::Page},
};

/// Size of the buffers between files, in bytes.
const BUFFER: usize = 64 * 1024;

impl Views {
    /// Writes the present receipt of an activation, in its envelope that this server signed, to a temporary file. Returns the file,
    /// which has no name and is deleted when it is closed.
    ///
    /// # Errors
    /// The activation does not exist, a device that it used is not connected, because the receipt includes the device's
    /// certificates, or the file cannot be written.
    pub async fn receipt(&self, id: &ActivationId) -> Result<File, ActivationError> {
        // Each preparation occupies a connection of the database, and space on its disk.
        let _turn = self.receipts.acquire().await;
        let mut payload = BufWriter::with_capacity(BUFFER, self.temporary_file()?);
        let mut connection = self.store.read().await?;
        // The receipt shows one state of the database.
        let mut snapshot = connection.begin().await.map_err(StoreError::from)?;
        let members = store::activations::members(&mut snapshot, id).await?;
        let [first, others @ ..] = members.as_slice() else {
            return Err(ActivationError::NotFound(id.clone()));
        };
        self.write_member(&mut snapshot, first, others, &mut payload)
            .await?;
        drop(snapshot);
        drop(connection);
        let payload = payload
            .into_inner()
            .map_err(|error| StoreError::TemporaryFile(error.into_error()))?;
        let sealed = self.temporary_file()?;
        let identity = self.identity.clone();
        let sealed = tokio::task::spawn_blocking(move || seal(payload, sealed, &identity)).await;
        sealed.map_err(|error| StoreError::TemporaryFile(io::Error::other(error)))?
    }

    fn temporary_file(&self) -> Result<File, StoreError> {
        tempfile::tempfile_in(&self.folder).map_err(StoreError::TemporaryFile)
    }

    /// Writes the canonical JSON of one member's [`Receipt`], with those of the others inside. The names are in alphabetical order.
    async fn write_member(
        &self,
        connection: &mut SqliteConnection,
        member: &Activation,
        others: &[Activation],
        out: &mut BufWriter<File>,
    ) -> Result<(), ActivationError> {
        let hsm = &member.terms.hsm;
        let device = self.hsms.get(&hsm.id)?.device()?;
        if *device.id() != hsm.device {
            return Err(HsmError::Unavailable(format!(
                "the receipt needs the certificates of the device {}: connect it and try again",
                hsm.device
            ))
            .into());
        }
        let view = self.whole_member(connection, member).await?;
        write_field(out, "{", "activation", &view)?;
        let approvals = approvals(connection, member).await?;
        write_field(out, ",", "approvals", &approvals)?;
        drop(approvals);
        write_field(out, ",", "at", &Timestamp::now())?;
        let certificates = Base64(device.verified.chain().to_ef());
        write_field(out, ",", "deviceCertificates", &certificates)?;
        for (number, other) in others.iter().enumerate() {
            let before = if number == 0 { ",\"others\":[" } else { "," };
            write(out, before.as_bytes())?;
            Box::pin(self.write_member(connection, other, &[], out)).await?;
        }
        if !others.is_empty() {
            write(out, b"]")?;
        }
        write_field(out, ",", "server", self.identity.identity())?;
        write(out, b",\"signatures\":[")?;
        write_signatures(connection, &member.terms, out).await?;
        write(out, b"]}")?;
        Ok(())
    }
}

async fn approvals(
    connection: &mut SqliteConnection,
    member: &Activation,
) -> Result<Vec<ReceiptApproval>, StoreError> {
    let decisions = store::activations::decisions(connection, &member.terms.id).await?;
    let mut approvals = Vec::new();
    for decision in decisions {
        let (Decision::Approved { .. }, Some(statement)) = (decision.decision, decision.statement)
        else {
            continue;
        };
        if let Some(operator) = store::operators::by_key(connection, &decision.key).await? {
            approvals.push(ReceiptApproval {
                person: operator.view.person,
                statement,
                pka: Base64(operator.pka),
            });
        }
    }
    Ok(approvals)
}

async fn write_signatures(
    connection: &mut SqliteConnection,
    terms: &ActivationTerms,
    out: &mut impl Write,
) -> Result<(), StoreError> {
    let activation = terms.id.activation();
    let mut separator: &[u8] = b"";
    let mut after = None;
    loop {
        let Page { signatures, next } =
            store::signatures::page(connection, &terms.id, after).await?;
        let views = signatures
            .into_iter()
            .filter_map(|stored| to_view(terms, &activation, stored));
        for view in views {
            write(out, separator)?;
            write(out, &canonical(&view))?;
            separator = b",";
        }
        if next.is_none() {
            return Ok(());
        }
        after = next;
    }
}

fn write(out: &mut impl Write, bytes: &[u8]) -> Result<(), StoreError> {
    out.write_all(bytes).map_err(StoreError::TemporaryFile)
}

fn write_field<T: Serialize>(
    out: &mut impl Write,
    before: &str,
    name: &str,
    value: &T,
) -> Result<(), StoreError> {
    write(out, format!("{before}\"{name}\":").as_bytes())?;
    write(out, &canonical(value))
}

/// Writes the envelope of the payload.
fn seal(payload: File, sealed: File, identity: &ServerKey) -> Result<File, ActivationError> {
    let failed = StoreError::TemporaryFile;
    let mut payload = BufReader::with_capacity(BUFFER, payload);
    let length = payload.stream_position().map_err(failed)?;
    payload.rewind().map_err(failed)?;
    let payload_type = Receipt::PAYLOAD_TYPE;
    // As `pre_authentication_encoding` does, and in the order of the fields of an `Envelope`.
    let start = format!("DSSEv1 {} {payload_type} {length} ", payload_type.len());
    let mut hash = Sha256::new_with_prefix(start);
    let mut out = BufWriter::with_capacity(BUFFER, sealed);
    write(&mut out, b"{\"payload\":\"")?;
    let mut encoder = EncoderWriter::new(&mut out, &STANDARD);
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = payload.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        encoder.write_all(&buffer[..read]).map_err(failed)?;
    }
    encoder.finish().map_err(failed)?;
    drop(encoder);
    let signature = identity.sign(&hash.finalize().into())?;
    write(
        &mut out,
        format!("\",\"payloadType\":\"{payload_type}\",\"signatures\":[").as_bytes(),
    )?;
    write(&mut out, &canonical(&signature))?;
    write(&mut out, b"]}")?;
    let mut sealed = out
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    sealed.rewind().map_err(failed)?;
    Ok(sealed)
}
