//! Bodies of requests, which are read within limits of size, time and memory before a handler sees them.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use countersign_protocol::problem::ProblemCode;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::problem::ApiError;

/// Usual longest body of a request, in bytes: large enough for an enrolment.
pub const USUAL: usize = 64 * 1024;
/// Memory for the bodies of strangers, in bytes.
const STRANGERS_TOTAL: usize = 16 * 1024 * 1024;
/// Memory for the usual bodies of callers who are logged in, in bytes.
const KNOWN_TOTAL: usize = 16 * 1024 * 1024;
/// Memory for bodies that list files, in bytes.
const FILES_TOTAL: usize = 64 * 1024 * 1024;
/// How long a client may take to send a usual body.
const USUAL_TIME: Duration = Duration::from_secs(15);
/// How long a client may take to send a body that lists files.
const FILES_TIME: Duration = Duration::from_secs(120);

/// The limits of one kind of bodies. Clones share the memory.
#[derive(Clone)]
pub struct Bodies {
    /// Longest body, in bytes.
    longest: usize,
    time: Duration,
    /// Bytes that all bodies together may have.
    memory: Arc<Semaphore>,
}

/// A body, which takes part of the memory for bodies until the guard is dropped.
pub struct Whole {
    pub bytes: Bytes,
    pub memory: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    #[error(
        "the body is larger than the {0} bytes that the server accepts here: if it lists files, request fewer at once"
    )]
    TooLarge(usize),
    #[error(
        "the body did not arrive within {0} s: check the connection, and send the request again"
    )]
    TooSlow(u64),
    #[error(
        "the server is reading too many other requests at the moment: send the request again in a few seconds"
    )]
    TooMany,
    #[error("the body cannot be read: {0}")]
    Broken(String),
}

impl From<NotRead> for ApiError {
    fn from(error: NotRead) -> Self {
        match error {
            NotRead::TooMany => Self::too_many(error.to_string(), Duration::from_secs(5)),
            _ => Self::new(ProblemCode::InvalidRequest, error.to_string()),
        }
    }
}

impl Bodies {
    fn new(longest: usize, time: Duration, total: usize) -> Self {
        Self {
            longest,
            time,
            memory: Arc::new(Semaphore::new(total)),
        }
    }

    /// Bodies of anyone.
    pub fn of_strangers() -> Self {
        Self::new(USUAL, USUAL_TIME, STRANGERS_TOTAL)
    }

    /// Usual bodies of callers who are logged in.
    pub fn of_known() -> Self {
        Self::new(USUAL, USUAL_TIME, KNOWN_TOTAL)
    }

    /// Bodies that list files, up to this length in bytes.
    pub fn with_files(longest: usize) -> Self {
        Self::new(longest, FILES_TIME, FILES_TOTAL)
    }

    /// The same memory and time for bodies up to this length, in bytes.
    #[must_use]
    pub fn up_to(&self, longest: usize) -> Self {
        Self {
            longest,
            ..self.clone()
        }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// The body is too large or too slow, or too many other bodies are being read.
    pub async fn read(&self, body: Body) -> Result<Whole, NotRead> {
        if body.size_hint().lower() > self.longest as u64 {
            return Err(NotRead::TooLarge(self.longest));
        }
        timeout(self.time, self.collect(body))
            .await
            .unwrap_or(Err(NotRead::TooSlow(self.time.as_secs())))
    }

    async fn collect(&self, mut body: Body) -> Result<Whole, NotRead> {
        let mut bytes = Vec::new();
        let mut memory: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| NotRead::Broken(error.to_string()))?;
            let Ok(part) = frame.into_data() else {
                continue;
            };
            if bytes.len() + part.len() > self.longest {
                return Err(NotRead::TooLarge(self.longest));
            }
            let length = u32::try_from(part.len()).map_err(|_| NotRead::TooMany)?;
            let more = self.memory.clone().try_acquire_many_owned(length);
            let more = more.map_err(|_| NotRead::TooMany)?;
            match &mut memory {
                Some(memory) => memory.merge(more),
                None => memory = Some(more),
            }
            bytes.extend_from_slice(&part);
        }
        Ok(Whole {
            bytes: bytes.into(),
            memory,
        })
    }

    /// Reads the body of a request, and runs the handler with it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn run(&self, request: Request, next: Next) -> Result<Response, ApiError> {
        let (parts, body) = request.into_parts();
        let Whole { bytes, memory } = self.read(body).await?;
        let response = next.run(Request::from_parts(parts, bytes.into())).await;
        drop(memory);
        Ok(response)
    }
}

/// Closes the connection of a request whose body was not read to its end, and says so to the client.
pub async fn close_if_unread(request: Request, next: Next) -> Response {
    let ended = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let request = request.map(|body| {
        Body::new(Watched {
            body,
            ended: ended.clone(),
        })
    });
    let mut response = next.run(request).await;
    if !ended.load(Ordering::Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// Notes when a body was read to its end.
struct Watched {
    body: Body,
    ended: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body whose sender stops after its first part.
    struct Stalled(Option<Bytes>);

    impl HttpBody for Stalled {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            match self.0.take() {
                Some(part) => Poll::Ready(Some(Ok(Frame::data(part)))),
                None => Poll::Pending,
            }
        }
    }

    fn bodies() -> Bodies {
        Bodies::new(8, Duration::from_secs(15), 10)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_gives_its_memory_back() {
        let bodies = bodies();
        let stalled = Body::new(Stalled(Some("1234567".into())));
        let error = bodies.read(stalled).await.err().expect("too slow");
        assert!(matches!(error, NotRead::TooSlow(15)), "{error}");
        assert!(bodies.read("12345678".into()).await.is_ok());
    }

    #[tokio::test]
    async fn all_bodies_together_are_limited() {
        let bodies = bodies();
        let first = bodies.read("123456".into()).await.expect("a body");
        let error = bodies.read("12345".into()).await.err().expect("too many");
        assert!(matches!(error, NotRead::TooMany), "{error}");
        assert!(bodies.read("1234".into()).await.is_ok());
        drop(first);
        assert!(bodies.read("12345".into()).await.is_ok());
        let error = bodies.read("123456789".into()).await.err();
        assert!(matches!(error, Some(NotRead::TooLarge(8))), "{error:?}");
    }
}
