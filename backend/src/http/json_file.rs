//! Responses that are too long for the memory.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use http_body_util::channel::Channel;
use tokio::io::AsyncReadExt;

/// The response with a file of JSON, which is read piece by piece as the client receives it.
pub async fn json_file(mut file: tokio::fs::File) -> std::io::Result<Response> {
    const PIECE: u64 = 64 * 1024;
    let length = file.metadata().await?.len();
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    tokio::spawn(async move {
        loop {
            let mut piece = Vec::new();
            match (&mut file).take(PIECE).read_to_end(&mut piece).await {
                Ok(0) => return,
                // The client is gone if a piece cannot be sent.
                Ok(_) if sender.send_data(piece.into()).await.is_err() => return,
                Ok(_) => {}
                Err(error) => return sender.abort(error),
            }
        }
    });
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CONTENT_LENGTH, length.into()),
    ];
    Ok((headers, Body::new(body)).into_response())
}
