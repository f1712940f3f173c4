//! A browser WebSocket of text messages, closed when it is dropped.

use std::rc::Rc;

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{MessageEvent, WebSocket};

/// What happens on a socket.
pub enum SocketEvent {
    /// Connected.
    Open,
    /// A message.
    Text(String),
    /// Closed, or never connected; nothing comes any more.
    Closed,
}

/// An open or opening socket.
pub struct Socket {
    inner: WebSocket,
    // They live as long as the browser may call them.
    _callbacks: [Closure<dyn FnMut(MessageEvent)>; 3],
}

impl Socket {
    /// Begins to connect; `None` where the browser refuses even to try.
    pub fn open(url: &str, on_event: impl Fn(SocketEvent) + 'static) -> Option<Self> {
        let inner = WebSocket::new(url).ok()?;
        let on_event = Rc::new(on_event);
        let callback = |make: fn(&MessageEvent) -> Option<SocketEvent>| {
            let on_event = on_event.clone();
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                if let Some(event) = make(&event) {
                    on_event(event);
                }
            })
        };
        let opened = callback(|_| Some(SocketEvent::Open));
        let message = callback(|event| event.data().as_string().map(SocketEvent::Text));
        let closed = callback(|_| Some(SocketEvent::Closed));
        inner.set_onopen(Some(opened.as_ref().unchecked_ref()));
        inner.set_onmessage(Some(message.as_ref().unchecked_ref()));
        inner.set_onclose(Some(closed.as_ref().unchecked_ref()));
        Some(Self {
            inner,
            _callbacks: [opened, message, closed],
        })
    }

    /// Sends a message; on a closed socket nothing happens, and the close is reported by itself.
    pub fn send(&self, text: &str) {
        let _ = self.inner.send_with_str(text);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.inner.set_onopen(None);
        self.inner.set_onmessage(None);
        self.inner.set_onclose(None);
        // Closing what is closed is no error that matters.
        let _ = self.inner.close();
    }
}
